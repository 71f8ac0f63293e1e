"""What TCP and IP add to the payload of a connection: an estimate by a stated rule, from what the kernel counted.

Each segment has a header of IPv4 (20 bytes) and of TCP (20, and 12 for timestamps where both ends use them); how many
passed is TCP_INFO's segs_in and segs_out, acknowledgements without payload included. On loopback a segment may hold 64
KiB; on a real network it holds what an Ethernet frame does, so there are at least as many as the payload needs. The
handshake's longer options count at each connection, and at its close the two segments in each direction that come after
the last look. Not counted: what Ethernet adds, what is lost and sent again, and attempts that a closed port refuses.
"""

from __future__ import annotations

import math
import socket
import struct
from dataclasses import dataclass

IP_HEADER_BYTES = 20
TCP_HEADER_BYTES = 20
TIMESTAMPS_BYTES = 12
HANDSHAKE_BYTES = 20
"""Options of the SYN: segment size, SACK, timestamps, window scale."""
ETHERNET_PAYLOAD_BYTES = 1500
CLOSE_SEGMENTS = 2
"""In each direction: FIN, and the acknowledgement of the other one."""
_OPTIONS_PLACE, _TIMESTAMPS = 5, 1
_SEGMENTS_PLACE = 136
"""struct tcp_info of Linux 4.6 and later: segs_out, segs_in, each 32 bits."""
_INFO_BYTES = 144


@dataclass(frozen=True, slots=True)
class Headers:
    """Bytes of headers in each direction, seen from the socket."""

    out_bytes: int = 0
    in_bytes: int = 0

    def __add__(self, other: Headers) -> Headers:
        return Headers(self.out_bytes + other.out_bytes, self.in_bytes + other.in_bytes)


def headers_of(connection: socket.socket, *, out_payload: int, in_payload: int, closed: bool) -> Headers | None:
    """Estimate for one connection so far; None: this kernel does not tell.

    Args:
        connection: the accepted socket.
        out_payload: bytes written to it.
        in_payload: bytes read from it.
        closed: it is about to be closed.
    """
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(info) < _INFO_BYTES:
        return None
    counted_out, counted_in = struct.unpack_from("=II", info, _SEGMENTS_PLACE)
    timestamps = bool(info[_OPTIONS_PLACE] & _TIMESTAMPS)
    after = CLOSE_SEGMENTS if closed else 0
    return Headers(
        header_bytes(counted_out + after, out_payload, timestamps=timestamps),
        header_bytes(counted_in + after, in_payload, timestamps=timestamps),
    )


def header_bytes(segments: int, payload: int, *, timestamps: bool) -> int:
    """Apply the rule to one direction of a connection."""
    each = IP_HEADER_BYTES + TCP_HEADER_BYTES + (TIMESTAMPS_BYTES if timestamps else 0)
    needed = math.ceil(payload / (ETHERNET_PAYLOAD_BYTES - each))
    return max(segments, needed) * each + HANDSHAKE_BYTES - (TIMESTAMPS_BYTES if timestamps else 0)

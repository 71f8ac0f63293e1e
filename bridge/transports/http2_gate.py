"""Bounds on what an HTTP/2 peer may send, held before h2 gathers it in memory."""

from __future__ import annotations

FRAME_BYTES_MAX = 16384
"""What we announce (HTTP/2's least). h2 checks it only when a frame is there whole, up to 16 MiB later."""
FRAMES_MAX = 10_000
"""From one call's end to the next one's. An answer has three; a chatty peer some dozens."""
RECEIVED_BYTES_MAX = 4 << 20
"""Likewise; gRPC's own bound on a message."""
_TLS_FIRST_BYTES = (0x15, 0x16)


class BrokenError(Exception):
    """The connection is over; the text says why, in words for a person."""


class HungUpError(BrokenError):
    """The peer closed or reset the connection, or did so before it said a word of HTTP/2."""


class FrameGate:
    """Looks at the frames' headers as they pass by, before h2 gathers a frame whole."""

    def __init__(self) -> None:
        self._header = b""
        self._body_bytes_left = 0
        self._first = True
        self.frames = 0
        self.received_bytes = 0

    def restart(self) -> None:
        """Count anew."""
        self.frames = self.received_bytes = 0

    def pass_by(self, data: bytes) -> None:
        """Look at what came.

        Raises:
            BrokenError: it is no HTTP/2, or more of it than anybody needs.
        """
        if self._first:
            self._check_first(data)
        self.received_bytes += len(data)
        position = 0
        while position < len(data):
            if self._body_bytes_left:
                step = min(self._body_bytes_left, len(data) - position)
                self._body_bytes_left -= step
                position += step
                continue
            piece = data[position : position + 9 - len(self._header)]
            self._header += piece
            position += len(piece)
            if len(self._header) == 9:  # noqa: PLR2004 - a frame header's length in HTTP/2
                self._body_bytes_left = int.from_bytes(self._header[:3], "big")
                self._header = b""
                self.frames += 1
                if self._body_bytes_left > FRAME_BYTES_MAX:
                    raise BrokenError(f"the peer sent a frame of more than {FRAME_BYTES_MAX} bytes")
        if self.frames > FRAMES_MAX or self.received_bytes > RECEIVED_BYTES_MAX:
            raise BrokenError(f"the peer sent more than {FRAMES_MAX} frames or {RECEIVED_BYTES_MAX} bytes for one call")

    def _check_first(self, data: bytes) -> None:
        """The first frame is SETTINGS: its length takes no third byte, so the first byte is 0."""
        self._first = False
        if data[0] in _TLS_FIRST_BYTES:
            raise BrokenError("the peer speaks TLS, but the endpoint is set up as plain text (use https://)")
        if b"HTTP/1".startswith(data[:6]) or data.startswith(b"HTTP/1"):
            raise BrokenError("the peer speaks HTTP/1.1, not gRPC over HTTP/2 (is this the OTLP/HTTP port?)")
        if data[0] != 0:
            raise BrokenError("the peer does not speak HTTP/2")

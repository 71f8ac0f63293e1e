"""A look at a port that should speak HTTP/2: greet it, and see how and when it answers. No call is made."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Literal

End = Literal["answer", "closed", "reset", "refused", "silence", "failure"]

_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
"""RFC 9113 section 3.4: the preface, then an empty SETTINGS frame."""
_PING = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"harness."
_FILLER_TYPE = 0xFA
"""A type of frames that nobody knows and everybody must pass over (RFC 9113 section 5.5)."""
_FRAME_BYTES_MAX = 16384
_HEAD_BYTES = 9
_PING_TYPE, _ACK = 6, 1


@dataclass(frozen=True, slots=True)
class Probe:
    """How a greeting ended, and when."""

    end: End
    seconds: float
    """From the greeting (or, where that was asked for, from the goodbye) to its end."""
    received_bytes: int

    def __str__(self) -> str:
        return f"a greeting ended in {self.end} after {self.seconds:.3f} s and {self.received_bytes} bytes"


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is said: the preface, then this, then a PING."""

    filler_bytes: int = 0
    """So much that means nothing."""
    echo_bytes: int = 0
    """So much that is answered: an empty SETTINGS frame is acknowledged by a frame of the same size."""
    leave: bool = False
    """After the PING's answer close this side, and wait for the other side's close."""

    @property
    def data(self) -> bytes:
        """As bytes."""
        return _PREFACE + _SETTINGS * (self.echo_bytes // len(_SETTINGS)) + _filler(self.filler_bytes) + _PING


PLAIN = Greeting()


def probe(host: str, port: int, greeting: Greeting = PLAIN, *, within: float) -> Probe:
    """Greet and wait for the answer to the PING, at most so many seconds."""
    began = time.monotonic()
    received = b""
    try:
        with socket.create_connection((host, port), timeout=within) as connection:
            began = time.monotonic()
            connection.sendall(greeting.data)
            answered = False
            while greeting.leave or not answered:
                connection.settimeout(max(0.001, within - (time.monotonic() - began)))
                piece = connection.recv(65536)
                if not piece:
                    return Probe("closed", time.monotonic() - began, len(received))
                received += piece
                if not answered and _has_ping_answer(received):
                    answered = True
                    if greeting.leave:
                        began = time.monotonic()
                        with contextlib.suppress(OSError):
                            connection.shutdown(socket.SHUT_WR)
            return Probe("answer", time.monotonic() - began, len(received))
    except TimeoutError:
        return Probe("silence", time.monotonic() - began, len(received))
    except ConnectionRefusedError:
        return Probe("refused", time.monotonic() - began, len(received))
    except (ConnectionResetError, BrokenPipeError):
        return Probe("reset", time.monotonic() - began, len(received))
    except OSError:
        return Probe("failure", time.monotonic() - began, len(received))


class Dialled:
    """A door that is greeted from here, on this machine."""

    host: str
    port: int

    def greet(self, greeting: Greeting = PLAIN, *, within: float) -> Probe:
        """Greet there; see `probe`."""
        return probe(self.host, self.port, greeting, within=within)


def _filler(size: int) -> bytes:
    frames = b""
    while size > 0:
        piece = min(size, _FRAME_BYTES_MAX)
        frames += struct.pack(">I", piece)[1:] + bytes([_FILLER_TYPE, 0, 0, 0, 0, 0]) + bytes(piece)
        size -= piece
    return frames


def _has_ping_answer(received: bytes) -> bool:
    place = 0
    while place + _HEAD_BYTES <= len(received):
        length = int.from_bytes(received[place : place + 3])
        whole = place + _HEAD_BYTES + length <= len(received)
        if received[place + 3] == _PING_TYPE and received[place + 4] & _ACK and whole:
            return True
        place += _HEAD_BYTES + length
    return False

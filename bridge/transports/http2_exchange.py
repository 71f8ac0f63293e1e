"""One request over HTTP/2 and what came back of it, read as gRPC's protocol document has it. No I/O."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Sequence

from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

from bridge.errors import TransportError
from bridge.transports import Answer

Header = tuple[bytes, bytes]

BODY_BYTES_MAX = 64 << 10
"""Of an answer, the rest is thrown away: an Export's answer is a number and a sentence."""
MESSAGE_CHARACTERS_MAX = 1024
"""Of a status message, for logs."""

_OK, _CANCELLED, _UNKNOWN, _PERMISSION_DENIED, _RESOURCE_EXHAUSTED = 0, 1, 2, 7, 8
_INTERNAL, _UNAVAILABLE = 13, 14
STATUS_OF_HTTP = {
    400: _INTERNAL,
    413: _UNKNOWN,
    429: _UNAVAILABLE,
    431: _INTERNAL,
    502: _UNAVAILABLE,
    503: _UNAVAILABLE,
    504: _UNAVAILABLE,
}
"""For answers without grpc-status, by gRPC's http-grpc-status-mapping document: those that speak of the request, or ask
for patience. Any other comes from somebody on the way who knows no collector: no answer of one (decision 0004)."""
STATUS_OF_RESET: dict[int, int] = {
    ErrorCodes.REFUSED_STREAM: _UNAVAILABLE,
    ErrorCodes.CANCEL: _CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: _RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: _PERMISSION_DENIED,
}
"""By gRPC's PROTOCOL-HTTP2 document; any other is INTERNAL."""
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


class Exchange:
    """One request on its way, and what has come back of its answer."""

    def __init__(self, stream_id: int, message: bytes) -> None:
        self.stream_id = stream_id
        self.unsent = memoryview(message)
        self.sent_at_byte: int | None = None
        """The connection's count of bytes at which the request is complete; None: it is not framed to its end yet."""
        self.headers: Sequence[Header] = ()
        self.trailers: Sequence[Header] = ()
        self.body = bytearray()
        self.ended = False
        self.reset_code: int | None = None
        self.closed_by_peer = False
        """Whether the peer reset the stream, be it after its answer: Go does so to what it need not hear to its end."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or self.reset_code is not None

    def take(self, event: Event) -> None:
        """Note what an event of this stream brings."""
        match event:
            case ResponseReceived():
                self.headers = event.headers
            case TrailersReceived():
                self.trailers = event.headers
            case DataReceived():
                self.body += event.data[: BODY_BYTES_MAX - len(self.body)]
            case StreamEnded():
                self.ended = True
            case StreamReset():
                self.closed_by_peer = True
                if not self.ended:
                    self.reset_code = int(event.error_code)

    def answer(self) -> Answer:
        """Read what came back. Only for an exchange that is `over`.

        Raises:
            TransportError: it is no collector's answer.
        """
        if self.reset_code is not None:
            code = STATUS_OF_RESET.get(self.reset_code, _INTERNAL)
            return Answer(code, f"the peer reset the stream ({error_name(self.reset_code)})")
        first, last = dict(self.headers), dict(self.trailers or self.headers)
        code_text = last.get(b"grpc-status")
        if code_text is None:
            return _without_status(first)
        code = int(code_text) if re.fullmatch(rb"[0-9]{1,4}", code_text) else _UNKNOWN
        message = decoded_message(last.get(b"grpc-message", b""))
        details = decoded_details(last.get(b"grpc-status-details-bin"))
        body = b"" if code else unframed(bytes(self.body), first.get(b"grpc-encoding", b"identity"))
        return Answer(code, message, details, body)


def framed(message: bytes, *, compressed: bool) -> bytes:
    """Put gRPC's prefix before a message."""
    return bytes((compressed,)) + len(message).to_bytes(4, "big") + message


def unframed(body: bytes, encoding: bytes) -> bytes:
    """Take the first message out of an answer; empty where there is none that can be read.

    The status says whether the call went well: an unreadable message next to OK takes nothing back.
    """
    size = int.from_bytes(body[1:5], "big")
    message = body[5 : 5 + size]
    if len(body) < 5 or len(message) < size or body[0] > 1:  # noqa: PLR2004 - the prefix's length in gRPC
        return b""
    if body[0] == 0:
        return message
    if encoding != b"gzip":
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(message, BODY_BYTES_MAX)
    except zlib.error:
        return b""


def decoded_message(value: bytes) -> str:
    """Undo grpc-message's percent-encoding; what is broken in it stays as it is."""
    text = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), value).decode("utf-8", "replace")
    return text[:MESSAGE_CHARACTERS_MAX]


def decoded_details(value: bytes | None) -> bytes | None:
    """Undo the base64 of a header whose name ends in -bin: with or without padding; None where it is broken."""
    if value is None:
        return None
    first = value.split(b",", 1)[0]
    try:
        return binascii.a2b_base64(first + b"=" * (-len(first) % 4))
    except binascii.Error:
        return None


def _without_status(headers: dict[bytes, bytes]) -> Answer:
    http_status = headers.get(b":status", b"?").decode("ascii", "replace")
    if http_status != "200":
        code = STATUS_OF_HTTP.get(int(http_status) if http_status.isdecimal() else 0)
        words = f"the peer answered with HTTP status {http_status[:20]} and without grpc-status"
        if code is None:
            raise TransportError(words, may_have_arrived=True)
        return Answer(code, words)
    kind = headers.get(b"content-type", b"").decode("ascii", "replace")
    if not kind.startswith("application/grpc"):
        words = f"the peer does not speak gRPC: it answered with content-type {kind[:80]!r}"
        raise TransportError(words, may_have_arrived=True)
    return Answer(_UNKNOWN, "the peer answered without grpc-status")


def error_name(code: int) -> str:
    """Name an HTTP/2 error code."""
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error {code}"

"""What an Export call means: which call it is, and what each answer to it asks for. No I/O.

Sources: the OTLP specification (failures, throttling, partial success); for the retry delay google/rpc/status.proto,
google/rpc/error_details.proto and google/protobuf/duration.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no type hints
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from bridge.errors import TransportError
from bridge.transports import Answer, Patience, Transport

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""By code, as gRPC's statuscodes document has them."""

RETRYABLE = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
"""OTLP's retryable codes. RESOURCE_EXHAUSTED joins them only where the answer carries RetryInfo."""

RETRY_AFTER_SECONDS_MAX = 3600.0
"""RetryInfo that says more is read as this. What is waited is a minute at most (`bridge.delivery.Bounds`)."""

_RETRY_INFO = b"google.rpc.RetryInfo"
_VARINT_BYTES_MAX = 10


class Delivered(NamedTuple):
    """The collector took the request, perhaps not every point of it."""

    rejected_points: int = 0
    """Points that the collector refused for good; they are not to be sent again."""
    message: str = ""
    """The collector's reason, or its warning where no point was rejected."""
    status: str | None = "OK"


class Unreachable(NamedTuple):
    """There was no answer: the connection could not be made, broke, or time was over."""

    reason: str
    may_have_arrived: bool
    status: str | None = None


class Busy(NamedTuple):
    """The collector answered and asks for patience: the same request may be sent again later."""

    reason: str
    after_seconds: float | None = None
    """Not before so long; None: the collector did not say."""
    status: str | None = None


class Refused(NamedTuple):
    """The collector refused the request for good: sending it again would not help."""

    reason: str
    status: str | None = None


Outcome = Delivered | Unreachable | Busy | Refused


def export(transport: Transport, bodies: Sequence[bytes], patience: Patience) -> Outcome:
    """Send serialized requests in one call. Concatenated, they are one valid request and lose nothing.

    Args:
        transport: makes the call.
        bodies: serialized ExportMetricsServiceRequests, not compressed.
        patience: how long it may take.
    """
    try:
        answer = transport.call(b"".join(bodies), patience)
    except TransportError as error:
        return Unreachable(error.reason, error.may_have_arrived)
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """Judge an answer by OTLP's rules.

    A status that came as an answer is `Busy` or `Refused`, UNAVAILABLE too: somebody is there and asks for patience,
    so it is backed off from. Only a connection that cannot be made or that breaks is `Unreachable`.
    """
    status = status_name(answer.status)
    if status == "OK":
        return _delivered(answer.body)
    reason = f"{status}: {answer.message}" if answer.message else status
    after_seconds = retry_after_seconds(answer.details)
    if status in RETRYABLE or (status == "RESOURCE_EXHAUSTED" and after_seconds is not None):
        return Busy(reason, after_seconds, status)
    return Refused(reason, status)


def status_name(code: int) -> str:
    """Name a gRPC status code; a code that gRPC does not know counts as UNKNOWN."""
    return STATUS_NAMES[code] if 0 <= code < len(STATUS_NAMES) else "UNKNOWN"


def retry_after_seconds(details: bytes | None) -> float | None:
    """Find the delay of google.rpc.RetryInfo in a serialized google.rpc.Status.

    Returns:
        Seconds, 0 <= s <= RETRY_AFTER_SECONDS_MAX; None where there is no RetryInfo or where it cannot be read.
    """
    if details is None:
        return None
    try:
        for packed in _messages(details, 3):
            kind = b"".join(_messages(packed, 1))
            if kind.rpartition(b"/")[2] == _RETRY_INFO:
                return _delay_seconds(b"".join(_messages(packed, 2)))
    except ValueError:
        return None
    return None


def _delivered(body: bytes) -> Delivered:
    try:
        partial = ExportMetricsServiceResponse.FromString(body).partial_success
    except DecodeError:
        # The status said OK and that counts; only what was rejected stays unknown.
        return Delivered(message="the collector took it; its response could not be read")
    return Delivered(max(0, partial.rejected_data_points), partial.error_message)


def _delay_seconds(retry_info: bytes) -> float:
    seconds, nanos = 0, 0
    # A message field given twice is merged: the later numbers win, as joining the two spells does.
    for number, value in _fields(b"".join(_messages(retry_info, 1))):
        if number == 1 and isinstance(value, int):
            seconds = value
        elif number == 2 and isinstance(value, int):  # noqa: PLR2004 - the field's number in duration.proto
            nanos = value
    return min(max(0.0, _signed(seconds) + _signed(nanos) / 1e9), RETRY_AFTER_SECONDS_MAX)


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    """Yield what stands in the length-delimited fields of that number."""
    return (value for found, value in _fields(data) if found == number and isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk over protobuf's wire format: a few lines here spare the google.rpc classes' memory.

    Raises:
        ValueError: the bytes are no message.
    """
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        match key & 7:
            case 0:
                number, position = _varint(data, position)
                yield key >> 3, number
                continue
            case 1:
                size = 8
            case 2:
                size, position = _varint(data, position)
            case 5:
                size = 4
            case wire_type:
                raise ValueError(f"wire type {wire_type}")
        if position + size > len(data):
            raise ValueError("a field is cut off")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the wire format's continuation bit
            return value, position + index + 1
    raise ValueError("a number is cut off")


def _signed(value: int) -> int:
    """Read an int32 or int64 as the wire format writes negative ones: 64 bits, two's complement."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value

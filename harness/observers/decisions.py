"""How the recording sink answers an Export call: the door for every kind of trouble that a collector can make.

A decision is one class with one method and one line in the table. Told over the control channel, it holds for every
call that arrives from then on; calls that hang go on hanging.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import grpc
from google.protobuf.any_pb2 import Any as Any_  # type: ignore[import-untyped]  # protobuf ships no type hints
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]  # as above
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from harness.observers import otlp_points

UPDATE_METRIC = "ml.training.loss"
"""Every update has a point of it."""
POISON_UNIX_NANO = 1
STATUS_DETAILS = "grpc-status-details-bin"
RETRY_INFO_TYPE = "type.googleapis.com/google.rpc.RetryInfo"
NO_ANSWER = "HANG"
"""Stands where a status name would: the call was never answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets."""

    code: str = "OK"
    """The name of a gRPC status, or `NO_ANSWER`."""
    message: str = ""
    body: bytes = b""
    """The serialized response of an OK."""
    trailers: tuple[tuple[str, bytes], ...] = field(default=())
    """Trailing metadata, for example grpc-status-details-bin."""
    retry_after_seconds: float | None = None
    """What the trailers ask for, for the record."""
    late_seconds: float = 0.0
    """The call is taken and written down at once, and answered so much later."""
    left_out: frozenset[str] = frozenset()
    """Metrics whose points were not taken."""


class Decision(Protocol):
    """Decides on one call."""

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Answer one call.

        Args:
            request: the serialized request.
            ended: set when the caller gave up; whoever lets time pass waits on it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ok:
    """Takes everything."""

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Take it."""
        del request, ended
        return Answer(body=ExportMetricsServiceResponse().SerializeToString())


@dataclass(frozen=True, slots=True)
class Status:
    """Refuses with a status: UNAVAILABLE is asked to be sent again, INVALID_ARGUMENT is refused for good."""

    code: str = "UNAVAILABLE"
    message: str = "the sink was told to refuse"

    def __post_init__(self) -> None:
        if self.code == "OK" or self.code not in grpc.StatusCode.__members__:
            raise ValueError(f"{self.code!r} is no gRPC status that refuses")

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Refuse it."""
        del request, ended
        return Answer(code=self.code, message=self.message)


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answers. HTTP/2 pings are answered all the while: a hung call is no dead connection."""

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Wait until the caller gives up."""
        del request
        ended.wait()
        return Answer(code=NO_ANSWER)


@dataclass(frozen=True, slots=True)
class Slow:
    """Takes everything, after a while; what the caller gave up before that is lost."""

    seconds: float

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Let the time pass, then take it."""
        return Answer(code=NO_ANSWER) if ended.wait(self.seconds) else Ok().decide(request, ended)


@dataclass(frozen=True, slots=True)
class LateAcknowledgement:
    """Takes everything at once and says so after a while: who gives up before that does not know what came of it."""

    seconds: float

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Take it, and let the caller wait."""
        return replace(Ok().decide(request, ended), late_seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Refuses with RESOURCE_EXHAUSTED and says by RetryInfo when to come again."""

    retry_after_seconds: float
    message: str = "the sink was told to be full"

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Refuse it for now."""
        del request, ended
        details = retry_info(self.message, self.retry_after_seconds)
        return Answer(
            code="RESOURCE_EXHAUSTED",
            message=self.message,
            trailers=((STATUS_DETAILS, details),),
            retry_after_seconds=self.retry_after_seconds,
        )


@dataclass(slots=True)
class Poison:
    """Refuses for good every call that holds one certain update: the so manyeth new one since the decision was made.

    An update with `POISON_UNIX_NANO` as its time is refused as well, so that one can try it out without touching the
    count.
    """

    nth: int = 1
    code: str = "INVALID_ARGUMENT"
    message: str = "the sink was told that this update is poison"
    _seen: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError("nth counts from 1")

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Refuse it when the poison is in it."""
        times = _update_times(request)
        with self._lock:
            self._seen += [time for time in times if time > POISON_UNIX_NANO and time not in self._seen]
            poison = {POISON_UNIX_NANO, *self._seen[self.nth - 1 : self.nth]}
        if poison.isdisjoint(times):
            return Ok().decide(request, ended)
        return Answer(code=self.code, message=self.message)


@dataclass(frozen=True, slots=True)
class Partial:
    """Takes everything but one metric, and says with the OK how many points it left out."""

    metric: str
    message: str = "the sink was told to leave this metric out"

    def decide(self, request: bytes, ended: threading.Event) -> Answer:
        """Take it, less that metric."""
        del ended
        _, points = otlp_points.points_of(request)
        response = ExportMetricsServiceResponse()
        response.partial_success.rejected_data_points = sum(point["metric"] == self.metric for point in points)
        response.partial_success.error_message = self.message
        return Answer(body=response.SerializeToString(), left_out=frozenset({self.metric}))


DECISIONS: Mapping[str, Callable[..., Decision]] = {
    "ok": Ok,
    "status": Status,
    "hang": Hang,
    "slow": Slow,
    "late-acknowledgement": LateAcknowledgement,
    "exhausted": Exhausted,
    "poison": Poison,
    "partial": Partial,
}


def retry_info(message: str, seconds: float) -> bytes:
    """A serialized google.rpc.Status with a google.rpc.RetryInfo, as OTLP wants it in grpc-status-details-bin.

    By hand (google/rpc/status.proto, google/rpc/error_details.proto): the package with these classes comes with the
    bridge's contestants only.
    """
    delay = Duration()
    delay.FromNanoseconds(round(seconds * 1e9))
    info = Any_(type_url=RETRY_INFO_TYPE, value=_nested(1, delay.SerializeToString()))
    code: int = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    return bytes((0x08, code)) + _nested(2, message.encode()) + _nested(3, info.SerializeToString())


def _nested(number: int, content: bytes) -> bytes:
    """One length-delimited field of protobuf's wire format; its length is one byte."""
    if len(content) >= 0x80:  # noqa: PLR2004 - the wire format's continuation bit
        raise ValueError("too long for a length of one byte")
    return bytes((number << 3 | 2, len(content))) + content


def _update_times(request: bytes) -> list[int]:
    """When the updates of a request were collected; what is no request has none."""
    try:
        _, points = otlp_points.points_of(request)
    except otlp_points.NotARequestError:
        return []
    return list(dict.fromkeys(point["time_unix_nano"] for point in points if point["metric"] == UPDATE_METRIC))


def decision(name: str, parameters: Mapping[str, Any]) -> Decision:
    """Build a decision by its name.

    Raises:
        ValueError: there is no such decision, or its parameters are wrong.
    """
    if name not in DECISIONS:
        raise ValueError(f"no decision {name!r}; there are: {', '.join(DECISIONS)}")
    try:
        return DECISIONS[name](**parameters)
    except TypeError as problem:
        raise ValueError(f"decision {name!r}: {problem}") from problem

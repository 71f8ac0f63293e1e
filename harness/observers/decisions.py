"""How the recording sink answers an Export call: the door for every kind of trouble that a collector can make.

A decision is one class with one method and one line in the table. Told over the control channel, it holds for every
call that arrives from then on; calls that hang go on hanging.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

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


DECISIONS: Mapping[str, Callable[..., Decision]] = {"ok": Ok, "status": Status, "hang": Hang}


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

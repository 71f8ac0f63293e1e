"""The ways to make one Export call: what a transport takes, what it answers, and nothing of how.

A transport knows no retry, no queue and no OTLP: one message goes out, one answer or one `TransportError` comes back,
always by the deadline. There is one file (or room) for each way.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """How a call ended, as gRPC says it."""

    status: int
    """The gRPC status code; 0 is OK. Where the peer gave none it is made up as gRPC's documents say."""
    message: str = ""
    """For a person, percent-decoding done, bounded in length."""
    details: bytes | None = None
    """``grpc-status-details-bin`` decoded: a serialized google.rpc.Status."""
    body: bytes = b""
    """The response message; empty where there was none or where it could not be read."""


class Patience(Protocol):
    """How long a call may still take. It can shrink while the call runs, at shutdown."""

    def deadline(self) -> float:
        """Monotonic seconds at which the call must be over."""
        ...

    def fileno(self) -> int:
        """A descriptor that becomes readable when `deadline` is to be looked at again; negative: there is none.

        It may stay readable: a transport then looks at `deadline` a few times a second instead.
        """
        ...


class Transport(Protocol):
    """One way to make the call. Used by one thread at a time."""

    def call(self, message: bytes, patience: Patience) -> Answer:
        """Send one serialized request, connecting first where needed.

        Raises:
            TransportError: there was no answer; nothing else is ever raised. It comes by ``patience.deadline()``.
        """
        ...

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        """Wait between calls until ``wakeup_fileno`` is readable (negative: there is none) or ``seconds`` are over.

        Meanwhile what the peer asks is answered, and a connection that it closed is dropped. Nothing is read from
        ``wakeup_fileno``, nothing is raised.
        """
        ...

    def close(self) -> None:
        """Let the connection go; a later call makes a new one."""
        ...

"""One simulated sidecar: the bridge's own rooms for encoding and delivery, fed on a schedule instead of from a file.

Its requests are encoded by `bridge.instruments` ahead of time, with the times at which they will be due, so that a load
generator spends its CPU on sending. Queue, order, retry and connection are `bridge.sender`'s over its own transport.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.full_queue import documents
from bridge import otlp, wiring
from bridge.delivery import Bounds, Delivery, Stats
from bridge.metrics_file import Identity, Reading
from bridge.sender import Sender
from bridge.settings import Settings
from bridge.snapshot import parse
from bridge.transports import Answer, Patience, Transport


@dataclass(frozen=True, slots=True)
class Call:
    """One Export call of one sidecar, on the wall clock, which several machines share."""

    sidecar: int
    began: float
    ended: float
    status: str
    """gRPC's name, or NO_ANSWER."""
    request_bytes: int
    dues: tuple[float, ...] = ()
    """When each request that it delivered had been due."""


class Observed:
    """A transport that looks over another one's shoulder; see `bridge.transports.Transport`.

    Args:
        inner: makes the calls.
        sidecar: its number.
        tell: takes each call.
    """

    def __init__(self, inner: Transport, sidecar: int, tell: Callable[[Call], None]) -> None:
        self._inner = inner
        self._sidecar = sidecar
        self._tell = tell
        self.waiting: deque[tuple[float, int]] = deque()
        """When each request that was put is due, and its length."""

    def call(self, message: bytes, patience: Patience) -> Answer:
        """Make it, and tell what came of it."""
        began, status = time.time(), "NO_ANSWER"
        dues: tuple[float, ...] = ()
        try:
            answer = self._inner.call(message, patience)
            status = otlp.status_name(answer.status)
            if answer.status == 0:
                dues = tuple(self._delivered(len(message)))
            return answer
        finally:
            self._tell(Call(self._sidecar, began, time.time(), status, len(message), dues))

    def _delivered(self, length: int) -> Iterator[float]:
        """Requests that are sent together are one after the other in one message, in the order in which they came."""
        while self.waiting and length >= self.waiting[0][1]:
            due, size = self.waiting.popleft()
            length -= size
            yield due

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        """Wait between calls."""
        self._inner.idle(wakeup_fileno, seconds)

    def close(self) -> None:
        """Let the connection go."""
        self._inner.close()


class Sidecar:
    """Sends its requests when they are due.

    Args:
        number: makes its names and its phase.
        endpoint: of its Collector.
        dues: when each request is due, wall clock in seconds.
        tell: takes each call.
    """

    def __init__(self, number: int, endpoint: str, dues: Sequence[float], tell: Callable[[Call], None]) -> None:
        self.number = number
        name = f"sidecar-{number:05d}"
        settings = Settings.from_mapping(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                "OTEL_SERVICE_NAME": "load",
                "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={name}",
                "BRIDGE_SELF_METRICS_INTERVAL": "0",
            }
        )
        self._transport = Observed(wiring.make_transport(settings), number, tell)
        delivery = Delivery(Bounds(settings.queue_count_max, settings.queue_size_max_bytes), random.Random(number))  # noqa: S311 - jitter is no secret
        self._sender = Sender(delivery, self._transport, time.monotonic, logging.getLogger("bridge.sender"))
        self._requests = deque(zip(dues, _encoded(settings, name, dues), strict=True))

    @property
    def next_due(self) -> float | None:
        """When the next request is to be put; None: there is none left."""
        return self._requests[0][0] if self._requests else None

    def start(self) -> None:
        """Begin to deliver."""
        self._sender.start()

    def put(self) -> float:
        """Put the next request; gives how late that was, in seconds."""
        due, encoded = self._requests.popleft()
        self._transport.waiting.append((due, len(encoded)))
        self._sender.put(encoded)
        return time.time() - due

    def stats(self) -> Stats:
        """What became of what was put."""
        return self._sender.stats()

    def stop(self, budget_seconds: float) -> Stats:
        """Drain and end."""
        return self._sender.stop(budget_seconds)


def _encoded(settings: Settings, name: str, dues: Sequence[float]) -> Iterator[bytes]:
    """What a bridge beside a job of that name would have sent at these times."""
    instruments = wiring.make_instruments(settings)
    for number, (due, document) in enumerate(zip(dues, documents(len(dues)), strict=True)):
        due_ns = int(due * 1e9)
        told = document.replace(b"training-job-7f3d9a52-6c1e-4b8e", name.encode())
        instruments.record(parse(Reading(told, Identity(1, number, due_ns), due, due_ns)), appeared=not number)
        encoded = instruments.collect(due_ns)
        if encoded is None:
            raise RuntimeError("a whole document made no request")
        yield encoded


def schedule(number: int, count: int, *, first: float, interval_seconds: float, ticks: int) -> list[float]:
    """When a sidecar's requests are due: each sidecar has a phase of its own within the interval, evenly spread."""
    # The golden ratio spreads any first part of the numbers evenly, too, whoever of several workers has them.
    phase = (number * 0.6180339887498949) % 1.0 if count > 1 else 0.0
    return [first + (phase + tick) * interval_seconds for tick in range(ticks)]

"""The bounded queue of requests: what waits, what is in flight, and a count of everything that came and went.

It knows no time and no collector. At every moment ``put == delivered + dropped + len(outbox)``, and what is here is
within both bounds. What is in flight counts against the bounds and is never dropped to make room: until the outcome is
known, nobody can say whether it is lost. The oldest of those that wait makes room; where all are in flight, that is the
newcomer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

REQUEST_OVERHEAD_BYTES = 240
"""What a waiting request costs beside its body: 169 B of objects (tracemalloc, CPython 3.11), up to 48 B as its share
in a dictionary (`bridge.packing`), the rest is malloc's."""

QUEUE_FULL = "queue-full"
TOO_LARGE = "too-large"
REFUSED = "refused"
INTERNAL_ERROR = "internal-error"
SHUTDOWN = "shutdown"
DROP_REASONS = (QUEUE_FULL, TOO_LARGE, REFUSED, INTERNAL_ERROR, SHUTDOWN)


@dataclass(frozen=True, slots=True)
class Request:
    """One encoded OTLP export, as it waits."""

    number: int
    """Counts up from 1 in the order of put."""
    body: bytes
    """The encoded ExportMetricsServiceRequest, compressed by `bridge.packing`."""
    raw_bytes: int
    """Its length before the compression."""
    dictionary: bytes = b""
    """What it was compressed against, shared with many; empty: nothing."""

    @property
    def cost_bytes(self) -> int:
        """What it takes of the memory."""
        return len(self.body) + REQUEST_OVERHEAD_BYTES


class Outbox:
    """See the module.

    Args:
        count_max: requests, those in flight included.
        bytes_max: of memory (`Request.cost_bytes`), those in flight included.

    Raises:
        ValueError: a bound that lets nothing in.
    """

    def __init__(self, count_max: int, bytes_max: int) -> None:
        if count_max < 1 or bytes_max < 1:
            raise ValueError("an outbox holds at least one request of at least one byte")
        self.count_max = count_max
        self.bytes_max = bytes_max
        self.cost_bytes = 0
        self.put_count = 0
        self.delivered_count = 0
        self.dropped_counts = dict.fromkeys(DROP_REASONS, 0)
        self.in_flight: tuple[Request, ...] = ()
        self._waiting: deque[Request] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self.in_flight)

    @property
    def waits(self) -> bool:
        """Whether something is here that is not in flight."""
        return bool(self._waiting)

    def put(self, request: Request) -> int:
        """Take a request as the newest and make room for it.

        Returns:
            How many of the oldest that waited had to go for it.
        """
        self.put_count += 1
        if self._closed:
            self.dropped_counts[SHUTDOWN] += 1
            return 0
        if request.cost_bytes > self.bytes_max:
            self.dropped_counts[TOO_LARGE] += 1  # it would empty the queue and still not fit
            return 0
        self._waiting.append(request)
        self.cost_bytes += request.cost_bytes
        gone = 0
        while self._over_bounds():
            self.drop_oldest(QUEUE_FULL)
            gone += 1
        return gone

    def take(self, count_max: int, raw_bytes_max: int) -> tuple[Request, ...]:
        """Put the oldest in flight: at least one, then as many as fit both limits."""
        batch = [self._waiting.popleft()]
        raw_bytes = batch[0].raw_bytes
        while self._waiting and len(batch) < count_max:
            raw_bytes += self._waiting[0].raw_bytes
            if raw_bytes > raw_bytes_max:
                break
            batch.append(self._waiting.popleft())
        self.in_flight = tuple(batch)
        return self.in_flight

    def put_back(self) -> None:
        """What was in flight waits again, as the oldest and in its order."""
        self._waiting.extendleft(reversed(self.in_flight))
        self.in_flight = ()

    def acknowledge(self) -> None:
        """What was in flight has arrived."""
        self.cost_bytes -= sum(request.cost_bytes for request in self.in_flight)
        self.delivered_count += len(self.in_flight)
        self.in_flight = ()

    def drop_oldest(self, reason: str) -> None:
        """Give up the oldest of those that wait."""
        self.cost_bytes -= self._waiting.popleft().cost_bytes
        self.dropped_counts[reason] += 1

    def close(self) -> None:
        """Give up all that is left, in flight included, and all that still comes, as lost by shutdown."""
        self.dropped_counts[SHUTDOWN] += len(self)
        self._waiting.clear()
        self.in_flight = ()
        self.cost_bytes = 0
        self._closed = True

    def _over_bounds(self) -> bool:
        return len(self) > self.count_max or self.cost_bytes > self.bytes_max

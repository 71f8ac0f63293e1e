"""The bounded queue of requests: what waits, what is in flight, and a count of everything that came and went.

It knows no time and no collector. At every moment ``put == delivered + dropped + spooled + len(outbox)``, and what is
here is within both bounds. What is in flight counts against the bounds and is never dropped to make room: until the
outcome is known, nobody can say whether it is lost. The oldest of those that wait makes room; where all are in flight,
that is the newcomer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

REQUEST_OVERHEAD_BYTES = 240
"""What a waiting request costs beside its body: 169 B of objects (tracemalloc, CPython 3.11), up to 48 B as its share
in a dictionary (`bridge.packing`), the rest is malloc's."""

QUEUE_FULL = "queue-full"
TOO_LARGE = "too-large"
REFUSED = "refused"
INTERNAL_ERROR = "internal-error"
SHUTDOWN = "shutdown"
DROP_REASONS = (QUEUE_FULL, TOO_LARGE, REFUSED, INTERNAL_ERROR, SHUTDOWN)


class Request(NamedTuple):
    """One encoded OTLP export, as it waits."""

    number: int
    """Counts up in the order of put, from 1; what an earlier run left behind has numbers up to 0."""
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
        self.spooled_count = 0
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

    def restore(self, requests: Sequence[Request]) -> None:
        """Take what an earlier run left behind, in its order, as the oldest; nothing is in flight."""
        self.put_count += len(requests)
        self.cost_bytes += sum(request.cost_bytes for request in requests)
        self._waiting.extendleft(reversed(requests))
        while self._over_bounds():
            self.drop_oldest(QUEUE_FULL)

    def oldest(self) -> Request | None:
        """The oldest that is here, be it in flight."""
        if self.in_flight:
            return self.in_flight[0]
        return self._waiting[0] if self._waiting else None

    def newer_than(self, number: int) -> list[Request]:
        """What is here and has a higher number, in order."""
        newer = []
        for request in reversed(self._waiting):
            if request.number <= number:
                break
            newer.append(request)
        newer.extend(request for request in reversed(self.in_flight) if request.number > number)
        newer.reverse()
        return newer

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

    def close(self, spooled: Collection[int] = ()) -> None:
        """Give up all that is left, in flight included, and all that still comes: as lost by shutdown, unless spooled.

        Args:
            spooled: numbers of requests that the next start will find on disk.
        """
        kept = sum(request.number in spooled for request in (*self.in_flight, *self._waiting)) if spooled else 0
        self.spooled_count += kept
        self.dropped_counts[SHUTDOWN] += len(self) - kept
        self._waiting.clear()
        self.in_flight = ()
        self.cost_bytes = 0
        self._closed = True

    def _over_bounds(self) -> bool:
        return len(self) > self.count_max or self.cost_bytes > self.bytes_max

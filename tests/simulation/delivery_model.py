"""What must be where, told in the plainest way, and from when to when the next call may come."""

from __future__ import annotations

import math
from collections import deque

from bridge.delivery import Bounds, Broken
from bridge.otlp import Busy, Delivered, Outcome, Refused
from bridge.outbox import INTERNAL_ERROR, QUEUE_FULL, REFUSED, SHUTDOWN, TOO_LARGE, Request


class InvariantBrokenError(AssertionError):
    """A step that the rules do not allow."""


class Model:
    """See the module."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.waiting: deque[Request] = deque()
        self.flying: tuple[Request, ...] = ()
        self.bytes = 0
        self.put_count = self.delivered = self.rejected_points = 0
        self.dropped = {QUEUE_FULL: 0, TOO_LARGE: 0, REFUSED: 0, INTERNAL_ERROR: 0, SHUTDOWN: 0}
        self.earliest = self.latest = -math.inf
        self.busy = self.refusals = self.breaks = 0
        self.largest_next: int | None = None
        self.drain_ends = math.inf
        self.newest_arrived = 0
        self.arrived_unknown: set[int] = set()

    def put(self, request: Request) -> None:
        self.put_count += 1
        if request.cost_bytes > self.bounds.bytes:
            self.dropped[TOO_LARGE] += 1
            return
        self.waiting.append(request)
        self.bytes += request.cost_bytes
        while self.count > self.bounds.count or self.bytes > self.bounds.bytes:
            self.drop(QUEUE_FULL)

    @property
    def count(self) -> int:
        return len(self.waiting) + len(self.flying)

    def drop(self, reason: str) -> None:
        request = self.waiting.popleft()
        self.bytes -= request.cost_bytes
        self.dropped[reason] += 1
        self.arrived_unknown.discard(request.number)

    def take(self, count: int) -> None:
        self.flying = tuple(self.waiting.popleft() for _ in range(count))

    def arrive(self) -> None:
        """The collector has it, whether or not we will hear of it. First arrivals are in order."""
        for request in self.flying:
            if request.number in self.arrived_unknown:
                continue
            if request.number <= self.newest_arrived:
                raise InvariantBrokenError(f"request {request.number} arrived first after {self.newest_arrived}")
            self.newest_arrived = request.number
            self.arrived_unknown.add(request.number)

    def land(self, outcome: Outcome | Broken, now: float) -> None:
        """Where the flying requests go, and when the next call is due."""
        flying, self.flying = self.flying, ()
        self.largest_next = None
        if isinstance(outcome, Delivered):
            self.delivered += len(flying)
            self.rejected_points += outcome.rejected_points
            self.bytes -= sum(request.cost_bytes for request in flying)
            self.arrived_unknown.difference_update(request.number for request in flying)
            self.busy = self.refusals = self.breaks = 0
            self._due(now, 0, 0)
            return
        self.waiting.extendleft(reversed(flying))
        if isinstance(outcome, Refused):
            self.refusals += 1
            self.busy = self.breaks = 0
            self._due(now, *((0, 0) if self.refusals <= self.bounds.refusals_at_once else (0.8, 1.2)))
            self.largest_next = max(1, len(flying) // 2)
            if len(flying) == 1:
                self.drop(REFUSED)
        elif isinstance(outcome, Busy):
            self._due(now, *self._busy_pauses(outcome.after_seconds))
            self.busy += 1
        else:
            self._due(now, 0.8, 1.2)
            if isinstance(outcome, Broken):
                self.breaks += 1
                if len(flying) == 1 and self.breaks >= self.bounds.breaks_before_drop:
                    self.breaks = 0
                    self.drop(INTERNAL_ERROR)
            else:
                self.busy = 0

    def end(self) -> None:
        self.dropped[SHUTDOWN] += self.count
        self.waiting.clear()
        self.bytes = 0

    def _due(self, now: float, earliest: float, latest: float) -> None:
        self.earliest, self.latest = now + earliest, now + latest

    def _busy_pauses(self, after: float | None) -> tuple[float, float]:
        if after is None:
            ceiling = min(5.0, 2.0 ** min(self.busy, 10))
            return ceiling / 2, ceiling
        asked = after if after > 0.5 else 0.5  # noqa: FURB136 - NaN is to be 0.5
        return min(60.0, asked), min(60.0, 1.1 * asked)

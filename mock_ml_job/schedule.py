"""When to write: an open schedule, which a slow write does not push back."""

from __future__ import annotations

import math

LATE_SECONDS_MAX = 0.25
"""A slot that is later than this, and later than a period, is missed.

Under high rates the kernel now and then runs a process late, on a busy machine by some hundred milliseconds: what then
is due is written at once, one after the other, so that the rate is the one that was asked for. At 1000 writes a second
the backlog of 0.25 s takes about 0.05 s. After a real standstill nobody wants the backlog.
"""


class Schedule:
    """Slot i is due at ``start + i * period``, seconds of one clock, which its callers read.

    A period of 0 means no schedule: always due, never missed.
    """

    def __init__(self, start: float, period_seconds: float) -> None:
        self._start = start
        self._period = period_seconds
        self._next = 0
        self.missed = 0
        """Slots that were wanted and skipped because they were too late."""

    def due(self, now: float) -> float:
        """Return when the next write is due; it may lie in the past."""
        return self._start + self._next * self._period if self._period else now

    def take(self, now: float) -> float | None:
        """Take the first slot that is due and not missed, and return when it was due; None when none is."""
        if not self._period:
            return now
        newest = self._newest(now)
        if newest < self._next:
            return None
        slot = max(self._next, min(newest, self._newest(now - LATE_SECONDS_MAX) + 1))
        self.missed += slot - self._next
        self._next = slot + 1
        return self._start + slot * self._period

    def pass_over(self, now: float) -> None:
        """Let the slots that are due by now go by, uncounted."""
        if self._period:
            self._next = max(self._next, self._newest(now) + 1)

    def _newest(self, now: float) -> int:
        newest = math.floor((now - self._start) / self._period)
        # The quotient's rounding must not deny a slot whose time, computed as `due` does, has come.
        return newest + 1 if self._start + (newest + 1) * self._period <= now else newest

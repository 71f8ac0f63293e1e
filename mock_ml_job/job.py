"""What both kinds of job do alike: look at the orders, keep the schedule, write, note it in the ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from mock_ml_job.control import Control, Orders
from mock_ml_job.document import Document, Spoil, timestamp_now
from mock_ml_job.ledger import Ledger
from mock_ml_job.metrics import Metrics
from mock_ml_job.schedule import Schedule
from mock_ml_job.stop import Stop
from mock_ml_job.writer import MetricsFile

LOOK_SECONDS = 0.05
"""The orders are looked at as often as this, or oftener."""

BACKDATED_SECONDS = 3600
"""Older than this looks what is written backdated."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave to make one write."""

    due: float
    last: bool
    """The job was told to finish: this is its last write."""


class Job:
    """A job that writes: the caller brings the metrics, this says when to write them, and does it."""

    def __init__(
        self,
        *,
        document: Document,
        file: MetricsFile,
        ledger: Ledger,
        control: Control,
        schedule: Schedule,
        stop: Stop,
        clock: Clock = time.monotonic,
        timestamp: Callable[[], str] = timestamp_now,
    ) -> None:
        self._document = document
        self._file = file
        self._ledger = ledger
        self._control = control
        self._schedule = schedule
        self._stop = stop
        self._clock = clock
        self._timestamp = timestamp
        self._orders = Orders()
        self._born_ns = time.time_ns()
        self.writes = 0

    @property
    def stopped(self) -> bool:
        """Whether the job was told to end at once."""
        return self._stop.requested

    def turn(self) -> Turn | None:
        """Return leave for a write when one is due now."""
        orders = self._look()
        now = self._clock()
        if orders.finish:
            return Turn(due=now, last=True)
        if orders.paused:
            self._schedule.pass_over(now)
            return None
        due = self._schedule.take(now)
        return None if due is None else Turn(due=due, last=False)

    def next_turn(self) -> Turn | None:
        """Wait until a write is due; None when the job was told to end at once."""
        while not self.stopped:
            turn = self.turn()
            if turn is not None:
                return turn
            now = self._clock()
            self._stop.wait(LOOK_SECONDS if self._orders.paused else min(LOOK_SECONDS, self._schedule.due(now) - now))
        return None

    def closing_turn(self) -> Turn | None:
        """Return leave for the last write of a job that ends by itself: at once, or when a pause is over."""
        while not self.stopped:
            orders = self._look()
            if orders.finish or not orders.paused:
                return Turn(due=self._clock(), last=True)
            self._stop.wait(LOOK_SECONDS)
        return None

    def rest(self, seconds: float) -> None:
        """Do nothing for so long; cut short by the end or the order to finish."""
        until = self._clock() + seconds
        while not self.stopped and (left := until - self._clock()) > 0 and not self._look().finish:
            self._stop.wait(min(LOOK_SECONDS, left))

    def write(self, metrics: Metrics, due: float) -> None:
        """Write the metrics file and note it.

        Raises:
            OSError: the metrics file or the ledger cannot be written.
        """
        spoil = self._spoil()
        document = self._document.of(metrics, self._timestamp(), spoil)
        if hold := self._orders.torn_hold_seconds:
            self._file.write_torn(document, between=lambda: self._stop.wait(hold))
        else:
            self._file.write(document, self._mtime_ns())
        visible = self._clock()
        self.writes += 1
        sha256 = hashlib.sha256(document).hexdigest()
        self._ledger.write(self.writes, visible, due, sha256, self._document.values(metrics, spoil))

    def end(self) -> None:
        """Note the job's end in the ledger."""
        self._ledger.end(self._clock(), writes=self.writes, missed=self._schedule.missed)

    def _spoil(self) -> Spoil | None:
        fields = self._orders.spoiled_fields
        return Spoil(fields[self.writes % len(fields)], self._orders.spoiled_by) if fields else None

    def _mtime_ns(self) -> int | None:
        """Each write's a second before that of the last one, the first's an hour ago."""
        return self._born_ns - (BACKDATED_SECONDS + self.writes) * 10**9 if self._orders.backdated else None

    def _look(self) -> Orders:
        orders = self._control.look()
        if orders != self._orders:
            if self._orders.paused:  # also where the job was stopped meanwhile and could not let them go by
                self._schedule.pass_over(self._clock())
            self._orders = orders
            self._ledger.control(self._clock(), orders)
        return orders

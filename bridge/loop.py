"""The loop: wait, read, record, hand over. Whatever the file does, it goes on until it is asked to stop."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.errors import MetricsFileError, SnapshotError
from bridge.exit_rule import ExitRule
from bridge.freshness import Freshness
from bridge.instruments import Instruments
from bridge.intake import Intake
from bridge.logs import Repeats
from bridge.point_time import PointTime
from bridge.snapshot import LeftOut

_log = logging.getLogger(__name__)

NAMED_MAX = 12
"""So many missing fields are named in one log line; `python -m bridge check` shows all."""


class Stop(Protocol):
    """Waits between ticks; `bridge.stop` is one."""

    def wait(self, seconds: float) -> bool:
        """Wait so long or until the end is asked for; whether it is."""
        ...


class Clock(NamedTuple):
    """The time, passed in so that tests and simulations can have their own."""

    monotonic: Callable[[], float]
    time_ns: Callable[[], int]


class LoopStats(NamedTuple):
    """What the loop did so far, as another thread may see it."""

    reads: Mapping[str, int]
    """Looks by result: ``new``, ``unchanged``, ``no-snapshot`` or the `MetricsFileError`'s kind."""
    left_out: Mapping[LeftOut, int]
    """How often each field was left out, by reason, in the order in which that was first seen."""
    broken_ticks: int
    """Ticks that ended in an error that nobody foresaw."""
    ticked_at_seconds: float | None
    """When a tick last ended, broken ones included; None before the first."""
    news_at_seconds: float | None
    """When the file last brought something new, the age of a first reading taken off; None where it never did."""
    trouble: str | None
    """Why there is no whole file now; None where there is one, or where nothing was looked at yet."""


class Loop:
    """One tick an interval, on schedule: a tick that takes long is not followed by a late one, and none is made up for.

    Attributes:
        reads: as `LoopStats.reads`.
        left_out: as `LoopStats.left_out`.
        broken_ticks: as `LoopStats.broken_ticks`.
    """

    def __init__(
        self,
        *,
        interval_seconds: float,
        intake: Intake,
        freshness: Freshness,
        instruments: Instruments,
        hand_over: Callable[[bytes], None],
        exit_rule: ExitRule,
        clock: Clock,
        repeats: Repeats,
    ) -> None:
        self._interval_seconds = interval_seconds
        self._intake = intake
        self._freshness = freshness
        self._instruments = instruments
        self._hand_over = hand_over
        self._exit_rule = exit_rule
        self._clock = clock
        self._point_time = PointTime(clock, clock.monotonic(), clock.time_ns())
        self._repeats = repeats
        self._gauges_live = True
        self._missed_now: Collection[LeftOut] = ()
        self.reads: Counter[str] = Counter()
        self.left_out: Counter[LeftOut] = Counter()
        self.broken_ticks = 0
        self._ticked_at_seconds: float | None = None

    def run(self, stop: Stop) -> None:
        """Tick until the end is asked for; then once more, for the job's last write."""
        due = self._clock.monotonic()
        while not stop.wait(due - self._clock.monotonic()):
            self.guarded(self.tick)
            self._ticked_at_seconds = self._clock.monotonic()
            if self._is_over():
                break
            due = next_due(due, self._clock.monotonic(), self._interval_seconds)
        self.guarded(self.last_tick)

    def stats(self) -> LoopStats:
        """All figures of this moment; for any thread."""
        return LoopStats(
            # tuple() takes all entries at once, while the loop's thread may add one.
            reads=dict(tuple(self.reads.items())),
            left_out=dict(tuple(self.left_out.items())),
            broken_ticks=self.broken_ticks,
            ticked_at_seconds=self._ticked_at_seconds,
            news_at_seconds=self._freshness.news_at_seconds,
            trouble=self._freshness.trouble,
        )

    def tick(self) -> None:
        """Read, record, hand over."""
        self._read()
        self._gauges_live = self._freshness.live(self._clock.monotonic())
        self._send()

    def last_tick(self) -> None:
        """Read, record, hand over once more. No gauge ends here: the job's last values must live to be scraped."""
        self._read(last=True)
        self._gauges_live = self._gauges_live or self._freshness.live(self._clock.monotonic())
        self._send()

    def _is_over(self) -> bool:
        why = self._exit_rule.why_end(self._clock.monotonic())
        if why is not None:
            _log.info("ending by itself: %s", why)
        return why is not None

    def guarded(self, turn: Callable[[], None]) -> None:
        """Do it; an error that nobody foresaw is counted and told, and costs this turn alone."""
        try:
            turn()
        except Exception as error:  # noqa: BLE001 - whatever it is, the bridge must not end of it
            self.broken_ticks += 1
            if self._repeats.due(("broken tick", type(error).__name__)) is not None:
                _log.exception("a tick broke off (%d so far); the next one comes as planned", self.broken_ticks)

    def _read(self, *, last: bool = False) -> None:
        now = self._clock.monotonic()
        try:
            news = self._intake.take(last=last)
        except (MetricsFileError, SnapshotError) as error:
            self.reads[error.kind] += 1
            self._freshness.bad(now, error)
            return
        if news is None:
            self.reads["unchanged"] += 1
            self._freshness.good(now)
            return
        self.reads["new"] += 1
        self._freshness.news(now, news.age_seconds)
        self._exit_rule.news(now)
        self._tell_left_out(news.snapshot.left_out)
        self._instruments.record(news.snapshot, appeared=news.appeared)

    def _send(self) -> None:
        encoded = self._instruments.collect(self._point_time.now_unix_nano(), gauges_live=self._gauges_live)
        if encoded is not None:
            self._hand_over(encoded)

    def _tell_left_out(self, left_out: Collection[LeftOut]) -> None:
        """Count each; say those that the reading before did not have."""
        self.left_out.update(left_out)
        new = [field for field in left_out if field not in self._missed_now and self._repeats.due(field) is not None]
        self._missed_now = left_out
        for field in new:
            if field.reason != "missing":
                _log.warning("%s is left out: %s; the other fields are carried", field.field, field.reason)
        if missing := [field.field for field in new if field.reason == "missing"]:
            _log.info("not in the metrics file: %s; the other fields are carried", _named(missing))


def _named(fields: Sequence[str]) -> str:
    """The first of them by name, and how many more: a job's own format may have none of two hundred."""
    more = len(fields) - NAMED_MAX
    return ", ".join(fields[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def next_due(due: float, now: float, interval_seconds: float) -> float:
    """The first moment of the schedule after ``due`` that is not over yet. Moments that are over are left out."""
    slots = max(1, math.ceil((now - due) / interval_seconds))
    return due + slots * interval_seconds

"""The load that a run was really under: what the job's schedule asked for, what was written, how late."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.record import Ledger, RunRecord

HARD_PERIOD_SECONDS = 0.05
"""Writes closer than this are a load, and reports say how much of it there was."""
_PERCENTILE = 0.99


@dataclass(frozen=True, slots=True)
class Load:
    """The writes of one run, all processes of the job together. Late is from due to visible."""

    asked: int
    """By the schedule, without the spans in which the job was told to pause."""
    written: int
    missed: int
    """Asked for, and skipped because their time had passed."""
    asked_per_second: float | None
    """None: the job has no period."""
    achieved_per_second: float | None
    """Over the time in which it wrote; None: too few writes to say."""
    late_p99_seconds: float
    late_max_seconds: float

    @property
    def share(self) -> float:
        """Of what was asked, how much was written."""
        return self.written / self.asked if self.asked else 1.0

    @property
    def hard(self) -> bool:
        """Whether there is more to it than a write now and then."""
        return self.asked_per_second is not None and self.asked_per_second * HARD_PERIOD_SECONDS >= 1

    def sentence(self) -> str:
        """Say it in one line without a full stop."""
        rate = "" if self.achieved_per_second is None else f" ({self.achieved_per_second:.4g} a second)"
        return (
            f"load: {self.written} of {self.asked} writes{rate}, {self.missed} missed; "
            f"99 % within {1000 * self.late_p99_seconds:.3g} ms of their time, the latest {self.late_max_seconds:.3g} s"
        )


def of(record: RunRecord) -> Load | None:
    """Return the load of a run; None: its job wrote nothing."""
    ledger = record.ledger
    if not ledger.writes:
        return None
    late = sorted(max(0.0, write.t - write.due) for write in ledger.writes)
    return Load(
        asked=len(ledger.writes) + ledger.missed,
        written=len(ledger.writes),
        missed=ledger.missed,
        asked_per_second=1 / ledger.period_seconds if ledger.period_seconds else None,
        achieved_per_second=_rate(ledger),
        late_p99_seconds=late[math.ceil(_PERCENTILE * len(late)) - 1],
        late_max_seconds=late[-1],
    )


def _rate(ledger: Ledger) -> float | None:
    first, last = ledger.writes[0].t, ledger.writes[-1].t
    paused = sum(max(0.0, min(end, last) - max(start, first)) for start, end in ledger.pauses)
    seconds = last - first - paused
    return (len(ledger.writes) - 1) / seconds if seconds > 0 else None

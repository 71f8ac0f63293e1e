"""What a check is: a pure function from a saved record to one result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from harness.promises import Budget, Unit
from harness.record import RunRecord
from harness.scenario import CheckSpec, Need


class Verdict(StrEnum):
    """What is said of a check (the first three) or of a scenario (all)."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    HARNESS_ERROR = "HARNESS ERROR"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found. Figures are in ``unit``; times are seconds since the run's origin."""

    check: str
    promise: str
    verdict: Verdict
    measured: float | None
    """The figure that is held against the limit: the worst where there are many. None: there was nothing to measure."""
    unit: str
    limit: float | None
    """The promise's documented limit, or the scenario's stricter one. None: the check has no figure to bound."""
    target: float | None
    """Our own aim; it decides nothing."""
    samples: int
    samples_min: int
    reason: str
    """One sentence: the worst sample, its time, and what it is held against."""
    at_seconds: float | None = None

    @property
    def margin(self) -> float | None:
        """How far the measured figure is from the limit; negative: beyond it."""
        return None if self.limit is None or self.measured is None else self.limit - self.measured

    @property
    def target_met(self) -> bool | None:
        """Whether the measured figure keeps our own aim; None where there is none."""
        return None if self.target is None or self.measured is None else self.measured <= self.target


@dataclass(frozen=True, slots=True)
class Measure:
    """What a check saw in a record, before it is held against a limit."""

    value: float | None
    """In the check's unit; the worst where there are many."""
    samples: int
    evidence: str
    """One sentence without a full stop: the worst sample and its time, or why there is none."""
    at_seconds: float | None = None
    broken: bool = False
    """A single observation proves the promise broken: FAIL, however few the samples."""
    lower_bound: bool = False
    """The value is the least that it can be, for what was waited for did not come while it was watched: beyond the
    limit it proves the promise broken, within it nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table of checks."""

    name: str
    what: str
    unit: Unit
    measure: Callable[[RunRecord, CheckSpec], Measure]
    samples_min: int
    """Fewer samples than this, and the check says INCONCLUSIVE."""
    whole_run: bool = True
    """It judges the run as a whole, so that ``during`` has no meaning for it."""
    alone: bool = False
    """Its figure suffers from neighbours: the scenario runs by itself."""
    needs_fault: bool = False
    """It measures from a fault's heal, so the timeline must have a fault."""
    lets_go: bool = False
    """It lets something be lost, so that ``keeps_at_least`` has a meaning for it."""
    settles: bool = False
    """It waits for a state that lasts, so that ``stable_for`` has a meaning for it."""
    wants_pattern: bool = False
    """It looks for ``pattern``, which the scenario must give."""
    needs: frozenset[Need] = frozenset()
    """What not every rig has, and this check looks at."""

    def judge(self, record: RunRecord, spec: CheckSpec, budget: Budget | None) -> CheckResult:
        """Hold what the record shows against the scenario's limit, else the promise's documented one."""
        measure = self.measure(record, spec)
        limit, target = _bounds(record, spec, budget)
        samples_min = max(self.samples_min, spec.samples_at_least or 0)
        verdict, reason = _decide(measure, limit, samples_min, self.unit)
        return CheckResult(
            check=self.name,
            promise=spec.promise,
            verdict=verdict,
            measured=measure.value,
            unit=self.unit,
            limit=limit,
            target=target,
            samples=measure.samples,
            samples_min=samples_min,
            reason=reason,
            at_seconds=measure.at_seconds,
        )


def interval_seconds(record: RunRecord) -> float:
    """Return the bridge's interval in this run."""
    return float(record.scenario["bridge"]["interval"])


def stopped_without_collector(record: RunRecord) -> bool:
    """Whether the bridge was asked to end while the collector was kept from it."""
    under = record.scenario.get("stop", {}).get("under") or {}
    return keeps_the_collector_away(str(under.get("fault", "")))


def keeps_the_collector_away(fault: str) -> bool:
    """Whether a fault of this name stands between bridge and collector."""
    return fault.startswith(("collector-", "network-"))


def write_period_seconds(record: RunRecord) -> float:
    """Return how far apart the job's writes should have been in this run."""
    return float(record.scenario["job"]["write_period"])


def _bounds(record: RunRecord, spec: CheckSpec, budget: Budget | None) -> tuple[float | None, float | None]:
    """Return the limit that decides and our own aim."""
    if budget is None:
        return spec.at_most, None
    times = {"interval_seconds": interval_seconds(record), "write_period_seconds": write_period_seconds(record)}
    limit = budget.limit(**times) if spec.at_most is None else spec.at_most
    return limit, budget.goal(**times, collector_away=stopped_without_collector(record))


def _decide(measure: Measure, limit: float | None, samples_min: int, unit: str) -> tuple[Verdict, str]:
    if measure.broken:
        return Verdict.FAIL, f"{measure.evidence}."
    if measure.value is None or measure.samples < samples_min:
        return (
            Verdict.INCONCLUSIVE,
            f"{measure.evidence} ({measure.samples} samples, at least {samples_min} are needed).",
        )
    if limit is None:
        return Verdict.INCONCLUSIVE, f"{measure.evidence}, but the promise states no limit for it."
    held = f"the limit is {limit:g} {unit}"
    if measure.value > limit:
        return Verdict.FAIL, f"{measure.evidence}; {held}."
    if measure.lower_bound:
        return Verdict.INCONCLUSIVE, f"{measure.evidence}, which is too short a time to tell: {held}."
    return Verdict.PASS, f"{measure.evidence}; {held}."

"""A saved record -> one Judgement: pure, so that the same folder gives the same verdict again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import load
from harness.checks import CHECKS, CheckResult, Verdict
from harness.checks.contract import interval_seconds
from harness.checks.spans import stop_signal
from harness.load import Load
from harness.plausibility import MET_AT_ONCE, looser
from harness.promises import Promises
from harness.promises import load as load_promises
from harness.record import Event, RecordError, RunRecord
from harness.scenario import CheckSpec, FaultStep, Scenario

SCHEMA_VERSION = 1
VERDICT_FILE = "verdict.json"
OFFERED_RATE_MIN = 0.95
"""Of the writes that the schedule asked for. Below it the bridge was not under the load that the scenario speaks of."""

_CANARIES_MIN = 2
"""One before the bridge was started, one after it was given up."""
CLOCK_ERROR_SECONDS_MAX = 0.05
"""So wrong another machine's moments may be where seconds are judged: a fifth of the tightest aim for latency."""

WORST_FIRST = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one run, or of a scenario that was not run."""

    scenario: str
    rig: str
    verdict: Verdict
    reason: str
    """One sentence or two: which promise broke, when, on what evidence; or why nothing can be said."""
    run: str = ""
    """The folder's name; empty: it was not run."""
    checks: tuple[CheckResult, ...] = ()
    doubts: tuple[str, ...] = ()
    """Why a PASS of the checks would mean nothing: faults that were not in place, a load that was not offered."""
    load: Load | None = None
    """What the job really wrote, and how late; None: nothing."""
    schema_version: int = SCHEMA_VERSION


def judge(record: RunRecord, promises: Promises | None = None) -> Judgement:
    """Give the verdict of one run.

    Where the run was not carried out to its end the checks are not asked: they would hold the bridge to what the
    harness did itself.
    """
    about = (record.meta.scenario, record.meta.rig)
    promises = promises or load_promises()
    try:
        scenario = scenario_of(record)
        _see_that_no_limit_was_loosened(scenario, promises)
    except RecordError as error:
        return Judgement(*about, Verdict.HARNESS_ERROR, str(error), record.meta.run)
    if not record.meta.complete or record.meta.interrupted:
        results = tuple(_not_asked(record, spec) for spec in scenario.checks)
        return Judgement(*about, *_overall(record, results, ()), record.meta.run, results, load=load.of(record))
    results = tuple(_result(record, spec, promises) for spec in scenario.checks)
    doubts = tuple(_doubts(record, scenario))
    verdict, reason = _overall(record, results, doubts)
    return Judgement(*about, verdict, reason, record.meta.run, results, doubts, load.of(record))


def not_run(scenario: str, rig: str, reason: str) -> Judgement:
    """Say that this rig cannot run a scenario: listed, and never a pass."""
    return Judgement(scenario, rig, Verdict.NOT_RUN, reason)


def harness_error(scenario: Scenario, rig: str, reason: str, run: str = "") -> Judgement:
    """Say that a run could not be carried out or read."""
    return Judgement(scenario.name, rig, Verdict.HARNESS_ERROR, reason, run)


def save(judgement: Judgement, run_dir: Path) -> None:
    """Write ``verdict.json`` into the run's folder.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(asdict(judgement), indent=2, ensure_ascii=False)
    (run_dir / VERDICT_FILE).write_text(text + "\n", encoding="utf-8")


def scenario_of(record: RunRecord) -> Scenario:
    """Return the scenario as it was run.

    Raises:
        RecordError: ``scenario.json`` is damaged, or of another version of the format.
    """
    try:
        scenario = Scenario.from_record(record.scenario)
    except (ValidationError, TypeError, ValueError, RecursionError) as error:
        first = " ".join(str(error).splitlines()[:3])
        raise RecordError(f"The recorded scenario does not fit this version of the harness: {first}.") from error
    if missing := sorted(scenario.model_dump(by_alias=True).keys() - record.scenario.keys()):
        raise RecordError(f"scenario.json is damaged: it has no {missing[0]}.")
    return scenario


def _see_that_no_limit_was_loosened(scenario: Scenario, promises: Promises) -> None:
    for spec in scenario.checks:
        promise = promises.promises.get(spec.promise)
        budget = promise.budgets.get(spec.check) if promise else None
        if budget is not None and (message := looser(scenario, spec, budget)):
            raise RecordError(f"scenario.json was changed after the run: {spec.check}: {message}.")


def _not_asked(record: RunRecord, spec: CheckSpec) -> CheckResult:
    reason = "The run was interrupted." if record.meta.interrupted else "The record breaks off."
    unit = CHECKS[spec.check].unit if spec.check in CHECKS else ""
    return CheckResult(spec.check, spec.promise, Verdict.INCONCLUSIVE, None, unit, None, None, 0, 1, reason)


def _result(record: RunRecord, spec: CheckSpec, promises: Promises) -> CheckResult:
    promise = promises.promises.get(spec.promise)
    check = CHECKS.get(spec.check)
    if check is None:
        reason = f"This version of the harness has no check {spec.check!r}."
        return CheckResult(spec.check, spec.promise, Verdict.INCONCLUSIVE, None, "", None, None, 0, 1, reason)
    return check.judge(record, spec, promise.budgets.get(spec.check) if promise else None)


def _overall(record: RunRecord, results: Iterable[CheckResult], doubts: tuple[str, ...]) -> tuple[Verdict, str]:
    """A run that was not carried out says nothing; else a broken promise goes before a doubt, a doubt before a pass."""
    meta = record.meta
    if meta.error is not None:
        return Verdict.HARNESS_ERROR, meta.error
    if meta.interrupted:
        return Verdict.INCONCLUSIVE, "The run was interrupted before its end."
    if not meta.complete:
        return (
            Verdict.HARNESS_ERROR,
            "The record breaks off before the run's end: the harness was killed. Run it again.",
        )
    results = tuple(results)
    failed = [f"The bridge was never ready: {reason}" for reason in _never_ready(record)]
    failed += [f"{result.promise} broke: {result.reason}" for result in results if result.verdict is Verdict.FAIL]
    if failed:
        return Verdict.FAIL, " ".join([*failed[:2], *_and_more(failed[2:]), *doubts])
    undecided = [f"{result.check}: {result.reason}" for result in results if result.verdict is Verdict.INCONCLUSIVE]
    if doubts or undecided:
        return Verdict.INCONCLUSIVE, " ".join([*doubts, *undecided[:1], *_and_more(undecided[1:])])
    return Verdict.PASS, f"All {len(results)} checks kept."


def _never_ready(record: RunRecord) -> list[str]:
    """Why the bridge was never ready, where it can only be its own fault: the harness's own calls came through."""
    ways = [event for event in record.events if event.kind == "canary"]
    told = [event for event in record.events if event.kind == "process" and event.data.get("action") == "never-ready"]
    proven = len(ways) >= _CANARIES_MIN and all(event.data.get("ok") is True for event in ways)
    return [f"{event.data.get('reason')}; {_evidence(ways[-1].data)}." for event in told if proven]


def _and_more(rest: list[str]) -> list[str]:
    return [f"And {len(rest)} more."] if rest else []


def _doubts(record: RunRecord, scenario: Scenario) -> Iterable[str]:
    ledger = record.ledger
    if not ledger.writes:
        yield "The job's ledger is missing or has no write, so what arrived cannot be held against what was written."
    elif ledger.ended is None:
        yield "The job's ledger breaks off: it never said its end."
    offered = load.of(record)
    if offered is not None and offered.share < OFFERED_RATE_MIN:
        yield (
            f"The job wrote {100 * offered.share:.0f} % of the {offered.asked} writes asked for, below "
            f"{100 * OFFERED_RATE_MIN:.0f} %: the bridge was not under the load that is meant."
        )
    yield from _clock_doubts(record, scenario)
    names = [name for name, kind in scenario.phase_names if kind == "fault"]
    steps = [step for step in scenario.timeline if isinstance(step, FaultStep)]
    for name, step in zip(names, steps, strict=True):
        yield from _fault_doubts(record, step.fault, name)
        if step.inner is not None:
            yield from _fault_doubts(record, step.inner.fault, name)
    yield from _moment_doubts(record, scenario)
    if scenario.stop.under is not None:
        yield from _fault_doubts(record, scenario.stop.under.fault, None, but_not=frozenset(names))


def _clock_doubts(record: RunRecord, scenario: Scenario) -> Iterable[str]:
    """Whether moments that another machine's clock gave are known well enough for checks that judge seconds."""
    if not any(CHECKS[spec.check].unit == "s" for spec in scenario.checks if spec.check in CHECKS):
        return
    for of in sorted({str(event.data["of"]) for event in record.events if event.kind == "clock"}):
        clocks = [event.data for event in record.events if event.kind == "clock" and event.data["of"] == of]
        lowest = max(clock["offset_seconds"] - clock["error_seconds"] for clock in clocks)
        highest = min(clock["offset_seconds"] + clock["error_seconds"] for clock in clocks)
        if lowest > highest:
            yield f"The clock of the {of}'s machine drifted from ours in the run by {lowest - highest:.3f} s at least."
        error = min(clock["error_seconds"] for clock in clocks)
        if error > CLOCK_ERROR_SECONDS_MAX:
            yield f"The clock of the {of}'s machine is known to {error:.3f} s only, not to {CLOCK_ERROR_SECONDS_MAX:g}."
        wall = min(abs(clock["wall_offset_seconds"]) - clock["error_seconds"] for clock in clocks)
        if wall > CLOCK_ERROR_SECONDS_MAX:
            yield f"The wall clock of the {of}'s machine differs from ours by {wall:.3f} s or more: set both by NTP."


def _moment_doubts(record: RunRecord, scenario: Scenario) -> Iterable[str]:
    """Whether the signal to end met the bridge when the scenario wanted it to."""
    at = scenario.stop.at
    if at == "last-write":
        return
    met = [event for event in record.events if event.kind == "moment" and event.data.get("at") == at]
    stop = stop_signal(record)
    if not met:
        yield f"The bridge was never told to end at the moment that is meant ({at})."
    elif not met[-1].data.get("ok"):
        yield f"The signal did not meet the moment that is meant ({at}): {_evidence(met[-1].data)}."
    elif at == "mid-write" and not _last_write_after(record, max(met[-1].t, stop.t if stop else 0.0)):
        yield "The job's last write was whole before the signal came."


def _last_write_after(record: RunRecord, t: float) -> bool:
    return bool(record.ledger.writes) and record.ledger.writes[-1].t > t


def _fault_doubts(
    record: RunRecord, fault: str, step: str | None, but_not: frozenset[str] = frozenset()
) -> Iterable[str]:
    """Whether a fault was put in place, seen to hold, and taken away. ``step`` None: any step not in ``but_not``."""
    events = [
        event
        for event in record.events
        if event.kind == "fault"
        and event.data.get("fault") == fault
        and (event.data.get("step") == step if step is not None else event.data.get("step") not in but_not)
    ]
    called = step or f"{fault} at the stop"
    if not events:
        yield f"The fault of {called} was never put in place."
        return
    for action, what in (("inject", "put in place"), ("verify", "seen to hold"), ("heal", "taken away")):
        done = [event for event in events if event.data.get("action") == action]
        if not done:
            yield f"The fault of {called} was never {what}."
        for event in done:
            if not event.data.get("ok"):
                yield f"At {event.t:.1f} s the fault of {called} was not {what}: {_evidence(event.data)}."
                break
    if step is not None and fault not in MET_AT_ONCE:
        yield from _unmet(record, events, called)


def _unmet(record: RunRecord, events: Iterable[Event], called: str) -> Iterator[str]:
    """A bridge looks once an interval: what was gone again within less may have met no reading."""
    in_place: float | None = None
    for event in events:
        action = event.data.get("action")
        if action == "inject":
            in_place = event.t + float(event.data.get("took_seconds") or 0.0)
        elif action == "heal" and in_place is not None:
            held, in_place = event.t - in_place, None
            if held < interval_seconds(record):
                yield (
                    f"The fault of {called} held for {held:.3g} s only, less than the bridge's interval of "
                    f"{interval_seconds(record):g} s: perhaps no reading met it."
                )


def _evidence(data: dict[str, Any]) -> str:
    return str(data.get("evidence") or "no evidence given").rstrip(".")

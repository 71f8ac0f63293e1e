"""What is wrong with a scenario of the right form: names nobody knows, budgets nobody could keep or break."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from harness.checks import CHECKS, Check
from harness.checks.resources import WINDOW_SECONDS
from harness.checks.returns import STABLE_SECONDS
from harness.checks.statistics import SLOPE_SECONDS_MIN
from harness.faults import FAULTS
from harness.faults.job import TornWrites
from harness.promises import Budget, Promises
from harness.promises import load as load_promises
from harness.scenario import CheckSpec, FaultSpec, FaultStep, InnerFault, Scenario, SteadyStep
from harness.yaml_lines import Path

_INTERVALS_APART = 2
"""Writes closer than this can be overwritten before a reading sees them."""
_INTERVALS_BROKEN = 2
"""A fault shorter than this can pass between two readings: a bridge that dies of it would pass too."""
MET_AT_ONCE = frozenset({"bridge-killed"})
"""Faults whose harm is done in the moment: how long they last has no meaning for whether they are met."""
_TORN_READINGS_MIN = 1.0
"""So many of a fault's readings must meet a half-done write, on average over where in the write period they fall."""
_NEVER_NOTHING = frozenset({"% of one core", "MiB", "MB", "Mbit/s", "s"})
"""Units of what every process takes some of."""
_CONTRACT = frozenset(
    {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",  # goes before the one above
        "OTEL_SERVICE_NAME",
        "METRICS_FILE_PATH",
        "COLLECTION_INTERVAL",
        "LOG_LEVEL",
    }
)
"""The variables that the harness itself gives a bridge."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Something wrong at a place of the scenario."""

    path: Path
    message: str
    mend: str = ""


def nearest(word: str, choices: Sequence[str], *, listed: str = "") -> str:
    """Return a hint: the word that was probably meant, else all that there are; ``listed`` instead, where given."""
    close = difflib.get_close_matches(word, choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return listed or (f"known here: {', '.join(sorted(choices))}" if choices else "")


def objections(scenario: Scenario, promises: Promises | None = None) -> list[Objection]:
    """Return all that makes a well-formed scenario useless."""
    promises = promises or load_promises()
    found = [*_timeline(scenario), *_times(scenario), *_permissions(scenario), *_environment(scenario)]
    found += [*_too_short(scenario), *_write_period(scenario, promises)]
    for index, spec in enumerate(scenario.checks):
        found += _check(scenario, spec, ("checks", index), promises)
    return found


def _times(scenario: Scenario) -> Iterator[Objection]:
    if scenario.bridge.interval <= 0:
        yield Objection(("bridge", "interval"), "the bridge's interval is zero", "write for example 1s")
    if scenario.job.write_period <= 0:
        yield Objection(("job", "write_period"), "the job's write period is zero", "write for example 2s")
    if scenario.start.without_folder and not scenario.start.job_after:
        message = "the job makes the folder, and it starts before the bridge"
        yield Objection(("start", "without_folder"), message, "say with start.job_after how much later the job comes")
    if not scenario.rigs:
        yield Objection(("rigs",), "no rig may run it", "leave the key out to allow all")


def _environment(scenario: Scenario) -> Iterator[Objection]:
    for name in scenario.bridge.env:
        if name in _CONTRACT:
            message = f"{name} is set by the harness: with another value the run would judge something else"
            yield Objection(("bridge", "env", name), message, "leave it out; interval and log_level are keys of bridge")


def _too_short(scenario: Scenario) -> Iterator[Objection]:
    """Object to faults that no reading of the bridge could meet."""
    for index, step in enumerate(scenario.timeline):
        if isinstance(step, FaultStep):
            yield from _unmet(scenario, step, ("timeline", index))
            if step.inner is not None:
                yield from _unmet(scenario, step.inner, ("timeline", index, "inner"))


def _unmet(scenario: Scenario, step: FaultStep | InnerFault, place: Path) -> Iterator[Objection]:
    interval, seconds = scenario.bridge.interval, step.for_
    least = _INTERVALS_BROKEN * interval
    if seconds <= 0 or step.fault not in FAULTS:
        return
    if step.fault not in MET_AT_ONCE and seconds < least:
        message = f"{step.fault} lasts {seconds:g} s, shorter than two intervals of the bridge ({least:g} s)"
        yield Objection((*place, "for"), message, "it could pass between two readings: make it longer")
    elif step.fault == "job-torn-writes":
        yield from _unmet_tear(scenario, step, place)


def _unmet_tear(scenario: Scenario, step: FaultStep | InnerFault, place: Path) -> Iterator[Objection]:
    try:
        hold = TornWrites.model_validate(step.with_).hold
    except ValidationError:
        return
    interval, period = scenario.bridge.interval, scenario.job.write_period
    if interval <= 0 or period <= 0:
        return
    torn_share = hold / max(hold, period)
    met = step.for_ / interval * torn_share
    if met < _TORN_READINGS_MIN:
        message = (
            f"each write is torn for {hold:g} s of {max(hold, period):g} s: "
            f"of the {step.for_ / interval:.0f} readings only {met:.2g} would meet that"
        )
        yield Objection((*place, "with", "hold"), message, "make hold or the fault longer")


def _write_period(scenario: Scenario, promises: Promises) -> Iterator[Objection]:
    """Object to writes so far apart that a limit which grows with them is beyond the run."""
    period, lasts = scenario.job.write_period, sum(phase_seconds(scenario)) - scenario.warm_up
    for spec in scenario.checks:
        promise = promises.promises.get(spec.promise)
        budget = promise.budgets.get(spec.check) if promise else None
        if budget is None or spec.at_most is not None or _is_of_latency(spec.check):
            continue
        if "write-period" in budget.documented_plus and lasts < period:
            message = f"{spec.check} allows for a write period ({period:g} s), and the timeline lasts only {lasts:g} s"
            yield Objection(("job", "write_period"), message, "make the timeline longer or write_period shorter")
            return


def _timeline(scenario: Scenario) -> Iterator[Objection]:
    names: set[str] = set()
    kinds = {kind for _, kind in scenario.phase_names}
    for index, step in enumerate(scenario.timeline):
        place: Path = ("timeline", index)
        if isinstance(step, FaultStep):
            yield from _fault(step, place)
            yield from _inner(step, (*place, "inner"))
        if step.name in kinds:
            yield Objection((*place, "name"), f"{step.name!r} is the name of a kind of phase", "choose another name")
        if step.name is not None and step.name in names:
            yield Objection((*place, "name"), f"two steps are called {step.name!r}", "choose another name")
        names |= {step.name} if step.name else set()
        seconds = step.steady if isinstance(step, SteadyStep) else step.for_
        if seconds <= 0:
            yield Objection((*place, "steady" if isinstance(step, SteadyStep) else "for"), "a step must last some time")
    if not scenario.timeline and not scenario.settle:
        yield Objection(("timeline",), "the timeline is empty", "add a step, for example {steady: 5s}")
    if scenario.stop.under is not None:
        yield from _fault(scenario.stop.under, ("stop", "under"))


def _inner(step: FaultStep, place: Path) -> Iterator[Objection]:
    inner = step.inner
    if inner is None:
        return
    yield from _fault(inner, place)
    if inner.for_ <= 0:
        yield Objection((*place, "for"), "a fault must last some time")
    if inner.after + inner.for_ >= step.for_:
        message = (
            f"{inner.fault} ends {inner.after + inner.for_:g} s after {step.fault} began, which lasts {step.for_:g} s"
        )
        yield Objection(place, message, "let it end before the fault around it does")
    if inner.fault == step.fault:
        yield Objection((*place, "fault"), f"{inner.fault} is in place already", "choose another fault")


def _permissions(scenario: Scenario) -> Iterator[Objection]:
    bound = scenario.bridge.obeys_permissions
    for index, step in enumerate(scenario.timeline):
        if isinstance(step, FaultStep) and step.fault == "file-permission-taken" and not bound:
            message = "root may read what nobody may read"
            yield Objection(("timeline", index, "fault"), message, "set bridge.obeys_permissions to true")


def _fault(spec: FaultSpec, place: Path) -> Iterator[Objection]:
    kind = FAULTS.get(spec.fault)
    if kind is None:
        yield Objection((*place, "fault"), f"there is no fault {spec.fault!r}", nearest(spec.fault, list(FAULTS)))
        return
    try:
        kind.parameters.model_validate(spec.with_)
    except ValidationError as error:
        known = [field.alias or name for name, field in kind.parameters.model_fields.items()]
        for details in error.errors():
            where = (*place, "with", *details["loc"])
            if details["type"] == "extra_forbidden":
                word = str(details["loc"][-1])
                yield Objection(where, f"{spec.fault} has no parameter {word!r}", nearest(word, known))
            else:
                message = details["msg"].removeprefix("Value error, ")
                yield Objection(where, f"with.{'.'.join(map(str, details['loc']))}: {message}")


def _check(scenario: Scenario, spec: CheckSpec, place: Path, promises: Promises) -> Iterator[Objection]:
    check = CHECKS.get(spec.check)
    if check is None:
        yield Objection((*place, "check"), f"there is no check {spec.check!r}", nearest(spec.check, list(CHECKS)))
    promise = promises.promises.get(spec.promise)
    if promise is None:
        hint = nearest(spec.promise, list(promises.promises))
        yield Objection((*place, "promise"), f"there is no promise {spec.promise!r}", hint)
    yield from _during(scenario, spec, place, check)
    if check is not None:
        yield from _own(scenario, spec, place, check)
    if check is None or promise is None:
        return
    budget = promise.budgets.get(spec.check)
    if budget is None:
        message = f"the promise {spec.promise!r} has no budget for {spec.check!r}"
        yield Objection((*place, "check"), message, nearest(spec.check, list(promise.budgets)))
    else:
        yield from _limit(scenario, spec, place, budget)
        yield from _latency_within_reach(scenario, spec, place, budget)


def _during(scenario: Scenario, spec: CheckSpec, place: Path, check: Check | None) -> Iterator[Objection]:
    known = list(dict.fromkeys(word for phase in scenario.phase_names for word in phase))
    for index, name in enumerate(spec.during):
        if name not in known:
            yield Objection((*place, "during", index), f"there is no phase {name!r}", nearest(name, known))
    if spec.during and check is not None and check.whole_run:
        message = f"{spec.check} judges the run as a whole"
        yield Objection((*place, "during"), message, "leave the key out")


def _limit(scenario: Scenario, spec: CheckSpec, place: Path, budget: Budget) -> Iterator[Objection]:
    where = (*place, "at_most")
    if spec.at_most is None:
        return
    if spec.at_most < 0:
        yield Objection(where, f"at_most {spec.at_most:g} is negative", "no bridge could keep it")
    if spec.at_most == 0 and budget.unit in _NEVER_NOTHING:
        yield Objection(where, f"at_most is 0 {budget.unit}", "no bridge could keep it")
    if message := looser(scenario, spec, budget):
        yield Objection(where, message, "a scenario may only be stricter")


def _is_of_latency(check: str) -> bool:
    return check.startswith(("arrival-latency", "age-of-information")) and not check.endswith("-return")


def _latency_within_reach(scenario: Scenario, spec: CheckSpec, place: Path, budget: Budget) -> Iterator[Objection]:
    """Nothing is older than the time for which it was looked at: a limit beyond that could not be broken."""
    limit = _documented(scenario, budget) if spec.at_most is None else spec.at_most
    longest = _longest_stretch(scenario, spec)
    if _is_of_latency(spec.check) and longest <= limit:
        message = f"{spec.check} cannot be above {limit:g} s where the judged phases last {longest:g} s"
        yield Objection((*place, "check"), message, f"say at_most, less than {longest:g}, or make the phase longer")


def _documented(scenario: Scenario, budget: Budget) -> float:
    return budget.limit(interval_seconds=scenario.bridge.interval, write_period_seconds=scenario.job.write_period)


def looser(scenario: Scenario, spec: CheckSpec, budget: Budget) -> str | None:
    """Say that a check's own limit is looser than the documented one; None: it is not, or the check has none."""
    limit = _documented(scenario, budget)
    if spec.at_most is None or spec.at_most <= limit:  # what is no number is no limit either, and so looser
        return None
    return f"at_most {spec.at_most:g} is looser than the documented limit of {limit:g} {budget.unit}"


def _own(scenario: Scenario, spec: CheckSpec, place: Path, check: Check) -> Iterator[Objection]:
    """Object to what the check itself cannot do with this scenario."""
    where = (*place, "check")
    if spec.samples_at_least is not None and spec.samples_at_least < check.samples_min:
        message = f"{spec.check} asks for at least {check.samples_min} samples itself"
        yield Objection((*place, "samples_at_least"), message, "ask for more, or leave the key out")
    if spec.keeps_at_least is not None and not check.lets_go:
        yield Objection((*place, "keeps_at_least"), f"{check.name} lets nothing be lost", "leave the key out")
    if spec.stable_for is not None and not check.settles:
        yield Objection((*place, "stable_for"), f"{check.name} waits for no state", "leave the key out")
    yield from _pattern(spec, place, check)
    yield from _provable(scenario, spec, place, check)
    if check.name == "cpu-percent":
        longest = _longest_stretch(scenario, spec)
        if longest < WINDOW_SECONDS:
            message = f"cpu-percent needs a window of {WINDOW_SECONDS:g} s, the judged phases last {longest:g} s"
            yield Objection(where, message, "make the phase longer or judge another one")
    apart = _INTERVALS_APART * scenario.bridge.interval
    if check.name == "every-write-delivered" and scenario.job.write_period < apart:
        message = (
            f"writes are {scenario.job.write_period:g} s apart: below two intervals ({apart:g} s) some are never read"
        )
        yield Objection(where, message, "make job.write_period longer or bridge.interval shorter")
    yield from _gauges_end(scenario, spec, where)
    if check.needs_fault and not any(isinstance(step, FaultStep) for step in scenario.timeline):
        yield Objection(
            where, f"{check.name} measures from a fault's end, and the timeline has no fault", "add a fault"
        )


def _pattern(spec: CheckSpec, place: Path, check: Check) -> Iterator[Objection]:
    if (spec.pattern is not None) is not check.wants_pattern:
        message = f"{check.name} looks for a pattern" if check.wants_pattern else f"{check.name} looks for no pattern"
        yield Objection((*place, "pattern"), message, "write one" if check.wants_pattern else "leave the key out")
    elif spec.pattern is not None:
        try:
            empty = re.compile(spec.pattern).search("") is not None
        except re.error as problem:
            yield Objection((*place, "pattern"), f"{spec.pattern!r} is no regular expression: {problem}")
            return
        if empty:
            yield Objection((*place, "pattern"), f"{spec.pattern!r} matches every line", "say what must stand there")


def _provable(scenario: Scenario, spec: CheckSpec, place: Path, check: Check) -> Iterator[Objection]:
    """Growth by blocks needs time; a state that never comes can be proven only where it is waited for long enough."""
    where = (*place, "check")
    if check.name.endswith("-slope") and (longest := _longest_stretch(scenario, spec)) < SLOPE_SECONDS_MIN:
        message = f"{check.name} needs {SLOPE_SECONDS_MIN:g} s in one stretch, the judged phases last {longest:g} s"
        yield Objection(where, message, "make the phase longer")
    if check.settles:
        stable_for = STABLE_SECONDS if spec.stable_for is None else spec.stable_for
        after = [step.recovery for step in scenario.timeline if isinstance(step, FaultStep)]
        shortest = min(after, default=0.0)
        if spec.at_most is None or shortest + scenario.settle < spec.at_most + stable_for:
            message = f"{check.name} cannot fail within a recovery of {shortest:g} s"
            yield Objection(where, message, f"say at_most, and make each recovery at_most and {stable_for:g} s long")


def _gauges_end(scenario: Scenario, spec: CheckSpec, where: Path) -> Iterator[Objection]:
    """Gauges that never end can be proven only by a fault that lasts as long as they may be shown."""
    faults = [step.for_ for step in scenario.timeline if isinstance(step, FaultStep)]
    if spec.check == "gauges-end" and faults and (spec.at_most is None or min(faults) < spec.at_most):
        message = f"gauges-end cannot fail within a fault of {min(faults):g} s"
        yield Objection(where, message, f"say at_most {min(faults):g} or less, or make the fault longer")


def _longest_stretch(scenario: Scenario, spec: CheckSpec) -> float:
    """Return the seconds of the longest run of judged phases that follow one another."""
    longest = current = 0.0
    for (name, kind), seconds in zip(scenario.phase_names, phase_seconds(scenario), strict=True):
        judged = name in spec.during or kind in spec.during if spec.during else kind not in {"warm-up", "drain"}
        current = current + seconds if judged else 0.0
        longest = max(longest, current)
    return longest


def phase_seconds(scenario: Scenario) -> list[float]:
    """Return how long each of the scenario's phases is planned to last; the drain lasts as long as it needs: 0."""
    seconds = [scenario.start.job_after] if scenario.start.job_after else []
    seconds.append(scenario.warm_up)
    for step in scenario.timeline:
        if isinstance(step, SteadyStep):
            seconds.append(step.steady)
            continue
        seconds.append(step.for_)
        seconds += [step.recovery] if step.recovery else []
    seconds += [scenario.settle] if scenario.settle else []
    return [*seconds, 0.0]

"""Whether the bridge lives through a fault, and how soon it is back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from harness.checks.arrivals import arrivals
from harness.checks.contract import Check, Measure, interval_seconds
from harness.checks.resources import of_bridge
from harness.checks.spans import heals, memory_of, own_ends, process_events, run_end, stop_signal, watched_until
from harness.record import Event, RunRecord
from harness.scenario import CheckSpec

_LIFE_SECONDS_MIN, _INTERVALS_OF_LIFE = 1.0, 2
"""A process of the bridge's tree that was seen for so long is part of the bridge, and none of one reading alone."""
_NUMBERS = re.compile(r"\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b|\d+", re.IGNORECASE)
"""What differs from one start to the next: numbers, hashes, UUIDs."""
_INTERVALS_TO_SPEAK = 2
"""Observed for less than this after a heal, a silent bridge is not yet proven silent."""


def alive(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the ends of the bridge's process between its first metric and the signal that asks it to end.

    An end that the scenario itself brought about by SIGKILL is none of them. A process below the bridge's root that
    ended and was started again is one: who restarts a bridge has not kept it alive.
    """
    stop = stop_signal(record)
    early = [event for event in own_ends(record, "bridge") if stop is None or event.t < stop.t]
    if early:
        evidence = f"the bridge {_how(early[0])}{_fault_before(record, early[0].t)}"
        return Measure(float(len(early)), len(early), evidence, early[0].t, broken=True)
    ready = process_events(record, "bridge", "ready")
    if not ready or stop is None:
        return Measure(None, 0, "the record has no moment from which, or to which, the bridge should live")
    if restarts := _restarts(record, ready[0].t, stop.t):
        at, evidence = restarts[0]
        return Measure(float(len(restarts)), len(restarts), evidence, at, broken=True)
    seen = [sample for sample in of_bridge(record) if ready[0].t <= sample.t <= stop.t and sample.processes > 0]
    return Measure(0.0, len(seen), f"the bridge lived from {ready[0].t:.1f} s until its stop at {stop.t:.1f} s")


def _how(event: Event) -> str:
    """Say in which way it ended: what the kernel did because of a limit is not its own doing."""
    if event.data.get("out_of_memory"):
        return f"was killed by the memory limit{memory_of(event)} at {event.t:.1f} s"
    return f"ended by itself at {event.t:.1f} s{_code_of(event)}"


def _restarts(record: RunRecord, ready: float, stop: float) -> list[tuple[float, str]]:
    """Members of the bridge's tree that ended while its root lived on, and came again: what a supervisor hides.

    Processes that are started for each reading and end with it are none: a member counts once it was seen for two
    intervals, and for a second at least. One whose command nobody runs again is not judged here: then it is missed, or
    it is not.
    """
    least = max(_LIFE_SECONDS_MIN, _INTERVALS_OF_LIFE * interval_seconds(record))
    members = [event for event in record.events if event.kind == "member" and event.data.get("role") == "bridge"]
    began = [event for event in members if event.data["action"] == "began"]
    found = []
    for end in members:
        last_seen = end.t - float(end.data.get("unseen_seconds", 0.0))
        if end.data["action"] != "ended" or last_seen < ready or end.t >= stop:
            continue
        births = [event.t for event in began if _identity(event) == _identity(end) and event.t <= last_seen]
        again = next((event for event in began if event.t >= end.t and _comes_again(end, event)), None)
        if births and again is not None and last_seen - max(births) >= least:
            how = "turned into" if again.data["pid"] == end.data["pid"] else "was replaced by"
            what = f"process {end.data['pid']} of the bridge ended at {end.t:.1f} s and {how} {again.data['pid']}"
            found.append((end.t, f"{what} ({end.data['command']}){_fault_before(record, end.t)}"))
    return found


def _identity(event: Event) -> tuple[object, object, object]:
    return event.data["pid"], event.data["create_time"], event.data["image"]


def _comes_again(ended: Event, began: Event) -> bool:
    """Whether it is the same process under a new image, or another one with the same command.

    Numbers in it, and names made at random, may differ.
    """
    if _identity(ended)[:2] == _identity(began)[:2]:
        return True
    one, other = (_NUMBERS.sub("0", str(event.data["command"])) for event in (ended, began))
    return one == other != ""


def _code_of(event: Event) -> str:
    code = event.data.get("exit_code")
    return "" if code is None else f" with exit code {code}"


def _fault_before(record: RunRecord, t: float) -> str:
    """Say which fault was put in place last before a moment: the likely cause."""
    faults = [e for e in record.events if e.kind == "fault" and e.data.get("action") == "inject" and e.t <= t]
    return f", {t - faults[-1].t:.1f} s after {faults[-1].data.get('fault')} began" if faults else ""


def values_after_fault(record: RunRecord, spec: CheckSpec) -> Measure:
    """From a fault's heal to the first arrival of a value that was written after it, worst fault, s.

    One that came when the bridge was asked to end did not come by itself.
    """
    named = [(arrival.t, arrival.write.t) for arrival in arrivals(record) if arrival.write is not None]

    def first_after(heal: float) -> float | None:
        return next((t for t, written in named if written > heal and t >= heal), None)

    return _since_heal(record, spec, first_after, "value written after it")


def first_arrival_after_recovery(record: RunRecord, spec: CheckSpec) -> Measure:
    """From a fault's heal to the first export that the sink took, worst fault, s; not one of the bridge's end."""
    taken = sorted(export.t for export in record.exports if export.delivered)

    def first_after(heal: float) -> float | None:
        return next((t for t in taken if t >= heal), None)

    return _since_heal(record, spec, first_after, "export")


def _since_heal(record: RunRecord, spec: CheckSpec, first_after: Callable[[float], float | None], what: str) -> Measure:
    healed = heals(record, spec)
    if not healed:
        return Measure(None, 0, "no fault was healed")
    silence = _INTERVALS_TO_SPEAK * interval_seconds(record)
    found: list[Measure] = []
    for event in healed:
        first, until = first_after(event.t), watched_until(record, event.t)
        after = f"{_name(event)} was healed at {event.t:.1f} s"
        if first is None:
            seconds = run_end(record) - event.t
            evidence = f"after {after} no {what} came in the {seconds:.1f} s to the end"
            proven = seconds >= silence
            return Measure(None, len(healed) if proven else 0, evidence, event.t, broken=proven)
        seconds = min(first, until) - event.t
        evidence = f"the first {what} came {first - event.t:.2f} s after {after}"
        if first > until:
            evidence = f"after {after} no {what} came in the {seconds:.2f} s until the bridge was asked to end"
        found.append(Measure(seconds, len(healed), evidence, event.t, lower_bound=first > until))
    return _worst(found)


def _worst(found: list[Measure]) -> Measure:
    """The longest; where another was not seen to its end, that one is named beside it, and neither is enough."""
    worst = max(found, key=lambda measure: measure.value or 0.0)
    open_ended = next((measure for measure in found if measure.lower_bound), None)
    if open_ended is None or worst.lower_bound:
        return worst
    return replace(worst, evidence=f"{worst.evidence}; {open_ended.evidence}", lower_bound=True)


def _name(event: Event) -> str:
    return str(event.data.get("step") or event.data.get("fault"))


CHECKS = (
    Check(
        "alive",
        "ends of the bridge's process before it was asked to end",
        "exits",
        alive,
        samples_min=3,
    ),
    Check(
        "values-after-fault",
        "from a fault's heal to the first value written after it at the sink, if before the bridge was asked to end",
        "s",
        values_after_fault,
        samples_min=1,
        whole_run=False,
        needs_fault=True,
    ),
    Check(
        "first-arrival-after-recovery",
        "from a fault's heal to the first export at the sink, if before the bridge was asked to end",
        "s",
        first_arrival_after_recovery,
        samples_min=1,
        whole_run=False,
        needs_fault=True,
    ),
)

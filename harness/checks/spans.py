"""Which parts of a run a check looks at, and the runner's moments in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.record import Event, Phase, RunRecord
from harness.scenario import CheckSpec

_MIB = 1024 * 1024
_NOT_JUDGED = frozenset({"warm-up", "drain"})


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the run, in seconds since its origin."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def holds(self, t: float) -> bool:
        """Whether a moment lies in it."""
        return self.start <= t <= self.end


def selected(phases: Iterable[Phase], during: tuple[str, ...]) -> list[Phase]:
    """Return the phases that ``during`` names by name or kind; without names all but warm-up and drain."""
    return [
        phase
        for phase in phases
        if (phase.name in during or phase.kind in during if during else phase.kind not in _NOT_JUDGED)
    ]


def judged(record: RunRecord, spec: CheckSpec) -> tuple[Span, ...]:
    """Return the stretches that a check judges; phases that follow one another are one stretch."""
    spans: list[Span] = []
    for phase in sorted(selected(record.phases, spec.during), key=lambda phase: phase.start):
        if spans and phase.start <= spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, phase.end))
        else:
            spans.append(Span(phase.start, phase.end))
    return tuple(spans)


def inside(spans: Iterable[Span], t: float) -> bool:
    """Whether a moment lies in any of the stretches."""
    return any(span.holds(t) for span in spans)


def phase_start(record: RunRecord, kind: str) -> float | None:
    """Return when the first phase of a kind began."""
    return min((phase.start for phase in record.phases if phase.kind == kind), default=None)


def run_end(record: RunRecord) -> float:
    """Return the last moment that the record knows of."""
    moments = [0.0]
    moments += [record.meta.ended] if record.meta.ended is not None else []
    moments += [event.t for event in record.events[-1:]]
    moments += [phase.end for phase in record.phases[-1:]]
    return max(moments)


def process_events(record: RunRecord, role: str, *actions: str) -> list[Event]:
    """Return what happened to a process, in order."""
    return [
        event
        for event in record.events
        if event.kind == "process" and event.data.get("role") == role and event.data.get("action") in actions
    ]


def planned_kills(record: RunRecord, role: str) -> frozenset[object]:
    """Return the pids of those lives of a process that the scenario itself ended."""
    kills = process_events(record, role, "killed")
    return frozenset(event.data.get("pid") for event in kills if event.data.get("planned"))


def own_ends(record: RunRecord, role: str) -> list[Event]:
    """Return the ends of a process that were no part of the scenario's plan, in order."""
    planned = planned_kills(record, role)
    ends = process_events(record, role, "exited", "killed")
    return [event for event in ends if event.data.get("pid") not in planned or event.data.get("pid") is None]


def memory_of(event: Event) -> str:
    """Say the limit that killed a process, and the most that its container ever held, as far as they are known."""
    limit, peak = event.data.get("memory_limit_bytes"), event.data.get("memory_peak_bytes")
    of = "" if limit is None else f" of {limit / _MIB:.1f} MiB"
    return of + (" (its peak could not be read any more)" if peak is None else f" (its peak was {peak / _MIB:.1f} MiB)")


def by_lives(record: RunRecord, role: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Cut stretches where a process was started again: what it used counts from zero there."""
    starts = [event.t for event in process_events(record, role, "started")]
    parts: list[Span] = []
    for span in spans:
        cuts = [span.start, *(t for t in starts if span.start < t < span.end), span.end]
        parts += [Span(start, end) for start, end in pairwise(cuts)]
    return tuple(parts)


def stop_signal(record: RunRecord) -> Event | None:
    """Return the signal that asked the bridge to end: that of the drain, for a fault may have signalled it before."""
    signals = process_events(record, "bridge", "signalled")
    drain = phase_start(record, "drain")
    # A cluster asks it by itself when the job has ended, perhaps before the harness hears of that.
    late = [event for event in signals if event.data.get("elsewhere") or (drain is not None and event.t >= drain)]
    return late[0] if late else signals[-1] if signals else None


def watched_until(record: RunRecord, t: float) -> float:
    """Return until when what the bridge does by itself is seen after a moment: the signal that asks it to end.

    What it delivers after that it was made to deliver. A moment after the signal is watched until the record's end.
    """
    stop = stop_signal(record)
    return stop.t if stop is not None and stop.t > t else run_end(record)


def heals(record: RunRecord, spec: CheckSpec) -> list[Event]:
    """Return the moments at which a fault of the timeline was taken away, before the bridge was asked to end.

    A fault that was taken away while another one held is none of them: nothing can recover from it yet.
    """
    stop = stop_signal(record)
    found: list[Event] = []
    for event, held in faults_held(record):
        in_time = stop is None or event.t < stop.t
        asked_for = not spec.during or event.data.get("step") in spec.during
        healed = event.data.get("action") == "heal" and event.data.get("ok")
        if healed and not held and in_time and asked_for:
            found.append(event)
    return found


def faults_held(record: RunRecord) -> Iterator[tuple[Event, frozenset[tuple[str, str]]]]:
    """Yield each moment at which a fault was put in place or taken away, and those in place after it: step and name."""
    held: frozenset[tuple[str, str]] = frozenset()
    for event in record.events:
        action = event.data.get("action")
        if event.kind == "fault" and action in {"inject", "heal"}:
            one = {(str(event.data.get("step")), str(event.data.get("fault")))}
            held = held | one if action == "inject" else held - one
            yield event, held

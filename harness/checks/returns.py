"""Whether a figure is, soon after a fault, what it was before it, and stays so: eventually within, stable for."""

from __future__ import annotations

from functools import partial

from harness.checks import figures, statistics
from harness.checks.contract import Check, Measure
from harness.checks.figures import Figure
from harness.checks.spans import Span, heals, process_events, watched_until
from harness.record import RunRecord
from harness.scenario import CheckSpec

STABLE_SECONDS = 3.0
"""How long it must stay so unless the scenario says otherwise by ``stable_for``."""
_SAMPLES_BEFORE_MIN = 10
_AGE_SLACK_SECONDS = 0.5


def returns(figure: Figure, slack: float, record: RunRecord, spec: CheckSpec) -> Measure:
    """From a fault's heal until the figure is no larger than before the first fault, and stays so, worst fault, s.

    One that is larger all the while at the end has not returned, whatever it was in between: a bridge that connects
    late leaks late. What is seen after a heal ends with the next fault, or with the signal that asks the bridge to end.
    """
    healed = [event.t for event in heals(record, spec)]
    faults = [event.t for event in record.events if event.kind == "fault" and event.data.get("action") == "inject"]
    ready = next((event.t for event in process_events(record, "bridge", "ready")), 0.0)  # starting takes more
    before = figure.samples(record, (Span(ready, faults[0]),)) if faults else []
    if not healed or len(before) < _SAMPLES_BEFORE_MIN:
        why = f"{len(before)} samples before the first fault" if healed else "no fault was healed"
        return Measure(None, 0, f"{figure.what}: {why}")
    usual = statistics.largest(before)[0] + slack
    end = watched_until(record, healed[-1])
    worst: Measure | None = None
    for heal in healed:
        until = min((t for t in [*faults, end] if t > heal), default=end)
        found = _after(figure, record, spec, usual, Span(heal, until))
        if found.broken or not found.samples:
            return found
        worst = found if worst is None or (found.value or 0.0) > (worst.value or 0.0) else worst
    assert worst is not None  # noqa: S101 - there is at least one heal; for the type checker
    return worst


def _after(figure: Figure, record: RunRecord, spec: CheckSpec, usual: float, span: Span) -> Measure:
    stable_for = STABLE_SECONDS if spec.stable_for is None else spec.stable_for
    samples = figure.samples(record, (span,))
    came = statistics.settles([(t, value <= usual) for t, value in samples], span.start, stable_for)
    said = f"{usual:.4g} {figure.unit} for {stable_for:g} s"
    at_the_end = [value for t, value in samples if t >= span.end - stable_for]
    if came is not None and min(at_the_end, default=0.0) <= usual:
        evidence = f"{figure.what}: at most {said} again {came - span.start:.2f} s after the heal at {span.start:.1f} s"
        return Measure(came - span.start, len(samples), evidence, span.start)
    last = samples[-1][1] if samples else 0.0
    evidence = (
        f"{figure.what}: not at most {said} again in the {span.seconds:.1f} s after the heal at {span.start:.1f} s;"
        f" {last:.4g} in the end"
    )
    watched = spec.at_most is not None and span.seconds >= spec.at_most + stable_for
    proven = bool(samples) and (watched or came is not None)
    return Measure(span.seconds, len(samples) if proven else 0, evidence, span.start, broken=proven)


CHECKS = tuple(
    Check(
        f"{figure.name}-return",
        f"from a fault's heal until {figure.what}: as before the first fault, and so for `stable_for` "
        f"({STABLE_SECONDS:g} s)",
        "s",
        partial(returns, figure, slack),
        samples_min=5,
        whole_run=False,
        needs_fault=True,
        settles=True,
    )
    for figure, slack in ((figures.THREADS, 0.0), (figures.FDS, 0.0), (figures.AGE, _AGE_SLACK_SECONDS))
)

"""What is not true any more is not shown as if it were, and what is new is shown soon after the start."""

from __future__ import annotations

from harness.checks.arrivals import GAUGES, arrivals
from harness.checks.contract import Check, Measure, interval_seconds
from harness.checks.series import series_of
from harness.checks.spans import Span, process_events, run_end, watched_until
from harness.record import Point, RunRecord
from harness.scenario import CheckSpec

_INTERVALS_TO_SPEAK = 2
"""Observed for less than this after the first write, a silent bridge is not yet proven silent."""


def gauges_end(record: RunRecord, spec: CheckSpec) -> Measure:
    """From a fault's beginning to the end of every gauge (the no-recorded-value flag), worst fault, s.

    Silence is no end: a Collector goes on serving the last value for minutes.
    """
    worst: Measure | None = None
    spans = _faults(record, spec)
    for step, span in spans:
        found = _end_of_gauges(record, spec, step, span, len(spans))
        if found.broken or not found.samples:
            return found
        worst = found if worst is None or (found.value or 0.0) > (worst.value or 0.0) else worst
    return worst or Measure(None, 0, "no fault was put in place")


def _faults(record: RunRecord, spec: CheckSpec) -> list[tuple[str, Span]]:
    began: dict[str, float] = {}
    found: list[tuple[str, Span]] = []
    for event in record.events:
        step = str(event.data.get("step"))
        if event.kind != "fault" or (spec.during and step not in spec.during):
            continue
        if event.data.get("action") == "inject":
            began.setdefault(step, event.t)
        elif event.data.get("action") == "heal" and step in began:
            found.append((step, Span(began.pop(step), event.t)))
    return found


def _end_of_gauges(record: RunRecord, spec: CheckSpec, step: str, span: Span, samples: int) -> Measure:
    live: set[object] = set()
    last = span.start
    for t, point in _gauge_points(record):
        if t > span.end:
            break
        if point.no_recorded_value:
            live.discard(series_of(point))
            last = t if span.holds(t) and not live else last
        else:
            live.add(series_of(point))
    seconds = span.seconds
    if live:
        evidence = f"in the {seconds:.1f} s of {step} {len(live)} gauges did not end"
        proven = spec.at_most is not None and seconds >= spec.at_most
        return Measure(seconds, samples if proven else 0, evidence, span.start, broken=proven)
    if last == span.start:
        return Measure(None, 0, f"no gauge was shown when {step} began")
    return Measure(last - span.start, samples, f"the gauges ended {last - span.start:.2f} s after {step} began", last)


def _gauge_points(record: RunRecord) -> list[tuple[float, Point]]:
    exports = sorted((export for export in record.exports if export.delivered), key=lambda export: export.t)
    return [(export.t, point) for export in exports for point in export.points if point.metric in GAUGES]


def values_after_start(record: RunRecord, _spec: CheckSpec) -> Measure:
    """From the job's first write, or the bridge's start where that is later, to the first value of the job, s.

    One that came when the bridge was asked to end did not come by itself.
    """
    if not record.ledger.writes:
        return Measure(None, 0, "the job's ledger has no write")
    starts = process_events(record, "bridge", "started")
    begin = max(record.ledger.writes[0].t, starts[0].t if starts else 0.0)
    first = next((arrival.t for arrival in arrivals(record) if arrival.write is not None), None)
    until = watched_until(record, begin)
    if first is not None and first <= until:
        return Measure(first - begin, 1, f"the first value came {first - begin:.2f} s after there was one", first)
    if first is not None:
        seconds = until - begin
        evidence = (
            f"no value came in the {seconds:.2f} s from the first one's writing until the bridge was asked to end"
        )
        return Measure(seconds, 1, evidence, begin, lower_bound=True)
    seconds = run_end(record) - begin
    proven = seconds >= _INTERVALS_TO_SPEAK * interval_seconds(record)
    evidence = f"no value came in the {seconds:.1f} s after there was one"
    return Measure(seconds, int(proven), evidence, begin, broken=proven)


CHECKS = (
    Check(
        "gauges-end",
        "from a fault's beginning to the end of every gauge",
        "s",
        gauges_end,
        samples_min=1,
        whole_run=False,
        needs_fault=True,
    ),
    Check(
        "values-after-start",
        "from the first write, or the bridge's start, to the first value at the sink, if before it was asked to end",
        "s",
        values_after_start,
        samples_min=1,
    ),
)

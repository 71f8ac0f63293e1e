"""How the bridge treats a collector in trouble: how often it calls, whether it waits, what it says twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from harness.checks.arrivals import LOSS
from harness.checks.contract import Check, Measure
from harness.checks.spans import judged, stop_signal
from harness.record import Export, RunRecord
from harness.scenario import CheckSpec

RATE_WINDOW_SECONDS = 5.0
"""A call that failed may be followed by one more at once; what goes on for so long is a habit."""
EARLY_SECONDS = 0.02
"""The sink notes when a request was here, the bridge counts from when the answer was there."""


def call_rate(record: RunRecord, spec: CheckSpec) -> Measure:
    """Export calls per second in the busiest 5 s of the judged phases."""
    worst: tuple[float, float] | None = None
    count = 0
    for span in judged(record, spec):
        calls = [export.t for export in record.exports if span.holds(export.t)]
        count += len(calls)
        for index, t in enumerate(calls):
            inside = sum(later < t + RATE_WINDOW_SECONDS for later in calls[index:])
            worst = max(worst or (0.0, 0.0), (inside / RATE_WINDOW_SECONDS, t))
    if worst is None:
        return Measure(None, 0, "no call was made in the judged phases")
    rate, t = worst
    evidence = f"{rate:.2g} calls a second came in the {RATE_WINDOW_SECONDS:g} s from {t:.1f} s on"
    return Measure(rate, count, evidence, t)


def connect_rate(record: RunRecord, spec: CheckSpec) -> Measure:
    """Connections opened per second in the busiest 5 s of the judged phases; those that are refused count nowhere."""
    worst: tuple[float, float] | None = None
    count = 0
    for span in judged(record, spec):
        samples = [sample for sample in record.wire if span.holds(sample.t)]
        count += len(samples)
        for index, first in enumerate(samples):
            last = next(one for one in reversed(samples[index:]) if one.t <= first.t + RATE_WINDOW_SECONDS)
            opened = (last.connections - first.connections) / RATE_WINDOW_SECONDS
            worst = max(worst or (0.0, first.t), (opened, first.t))
    if worst is None:
        return Measure(None, 0, "no figure of the connections in the judged phases")
    rate, t = worst
    evidence = f"{rate:.2g} connections a second were opened in the {RATE_WINDOW_SECONDS:g} s from {t:.1f} s on"
    return Measure(rate, count, evidence, t)


def patience_kept(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the calls that came before the time that the answer to the one before asked for by RetryInfo.

    A bridge that was told to end has no time to wait: what comes after the signal does not count.
    """
    stop = stop_signal(record)
    calls = [export for export in record.exports if stop is None or export.t < stop.t]
    pairs = [(asked, following) for asked, following in pairwise(calls) if _asks(asked)]
    early = [(asked, following) for asked, following in pairs if following.t < _not_before(asked)]
    if early:
        asked, following = early[0]
        evidence = (
            f"at {asked.t:.1f} s the collector asked for {asked.retry_after_seconds:g} s of patience "
            f"and was called again after {following.t - asked.t:.2f} s"
        )
        return Measure(float(len(early)), len(pairs), evidence, following.t, broken=True)
    return Measure(
        0.0 if pairs else None, len(pairs), f"{len(pairs)} times the collector asked for patience, and had it"
    )


def _asks(export: Export) -> bool:
    return export.retry_after_seconds is not None


def _not_before(export: Export) -> float:
    return export.t + (export.retry_after_seconds or 0.0) - EARLY_SECONDS


def sent_once(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the updates that the sink took more than once. Only for scenarios in which every answer arrives."""
    taken = Counter(key for export in record.exports if export.delivered for key in _updates(export))
    again = [key for key, times in taken.items() if times > 1]
    if again:
        t = next(export.t for export in reversed(record.exports) if export.delivered and again[0] in _updates(export))
        evidence = f"{len(again)} of {len(taken)} updates came again although they were acknowledged, one at {t:.1f} s"
        return Measure(float(len(again)), len(taken), evidence, t, broken=True)
    return Measure(0.0 if taken else None, len(taken), f"each of {len(taken)} updates came once")


def _updates(export: Export) -> Sequence[tuple[int, object]]:
    """Name the updates of a call by the time of their collection; a second point of one series is a second update."""
    return [
        (point.time_unix_nano, tuple(sorted(point.attributes.items())))
        for point in export.points
        if point.metric == LOSS
    ]


CHECKS = (
    Check("call-rate", "Export calls, busiest 5 s", "calls/s", call_rate, samples_min=2, whole_run=False),
    Check(
        "connect-rate",
        "connections opened, busiest 5 s",
        "connections/s",
        connect_rate,
        samples_min=10,
        whole_run=False,
    ),
    Check(
        "patience-kept",
        "calls that came before the time that RetryInfo asked for",
        "early calls",
        patience_kept,
        samples_min=1,
    ),
    Check(
        "sent-once",
        "updates that came again although they were acknowledged",
        "repeated updates",
        sent_once,
        samples_min=3,
    ),
)

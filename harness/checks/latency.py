"""How old the truth is at the sink: per update, and on a clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.checks.arrivals import arrivals
from harness.checks.contract import Check, Measure, write_period_seconds
from harness.checks.spans import Span, inside, judged, stop_signal
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec

CLOCK_STEP_SECONDS = 0.05
_PERCENTILE = 0.99


def arrival_latency(record: RunRecord, spec: CheckSpec) -> Measure:
    """99th percentile (nearest rank) of the time from a write to its first arrival, s.

    Only of writes that arrived, in the judged phases: writes that were overwritten unread are no matter of latency.
    """
    spans = judged(record, spec)
    first: dict[int, tuple[float, Write]] = {}
    for arrival in arrivals(record):
        if arrival.write is not None and arrival.index is not None and inside(spans, arrival.write.t):
            first.setdefault(arrival.index, (max(0.0, arrival.t - arrival.write.t), arrival.write))
    if not first:
        return Measure(None, 0, "no write of the judged phases arrived")
    ranked = sorted(first.values(), key=lambda pair: pair[0])
    seconds, write = ranked[math.ceil(_PERCENTILE * len(ranked)) - 1]
    evidence = (
        f"99 % of the updates took at most {seconds:.3f} s; that one was write {write.sequence}, at {write.t:.1f} s"
    )
    return Measure(seconds, len(ranked), evidence, write.t)


def age_of_information(record: RunRecord, spec: CheckSpec) -> Measure:
    """Now minus the write time of the newest value at the sink, worst moment of a 50 ms clock, s.

    A job that pauses or ends lets its value age: of that, no more than the write period counts.
    """
    if not any(arrival.index is not None for arrival in arrivals(record)):
        return Measure(None, 0, "no update that the job wrote reached the sink")
    count, worst = 0, None
    for moment in ages(record, judged(record, spec)):
        count += 1
        worst = moment if worst is None or moment[1] > worst[1] else worst
    if worst is None:
        return Measure(None, 0, "at no moment of the judged phases there was a value to be seen")
    now, age, write = worst
    evidence = f"at {now:.1f} s the newest value at the sink was write {write.sequence}, {age:.2f} s old"
    return Measure(age, count, evidence, now)


def age_at_stop(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Age of the newest value at the sink in the moment in which the bridge is asked to end, s.

    What came back after a fault and then fell silent delivers all that it held back when it is asked to end.
    """
    stop = stop_signal(record)
    if stop is None:
        return Measure(None, 0, "nobody asked the bridge to end")
    if not any(arrival.index is not None and arrival.t <= stop.t for arrival in arrivals(record)):
        return Measure(None, 0, "no update that the job wrote reached the sink before the bridge was asked to end")
    moment = next(ages(record, (Span(stop.t, stop.t),)), None)
    if moment is None:
        return Measure(None, 0, "the job had written nothing when the bridge was asked to end")
    _, age, write = moment
    evidence = f"when the bridge was asked to end at {stop.t:.1f} s the newest value was write {write.sequence}"
    return Measure(age, 1, f"{evidence}, {age:.2f} s old", stop.t)


def ages(record: RunRecord, spans: tuple[Span, ...]) -> Iterator[tuple[float, float, Write]]:
    """Return (moment, age of the newest value at the sink, its write) on a 50 ms clock, s.

    Nothing for the moments before the job's first write. As long as nothing has arrived, the first write ages.
    """
    newest = [(arrival.t, arrival.index) for arrival in arrivals(record) if arrival.index is not None]
    writes = record.ledger.writes
    position = written = 0
    seen = -1
    for now in _clock(spans):
        while position < len(newest) and newest[position][0] <= now:
            seen = max(seen, newest[position][1])
            position += 1
        while written < len(writes) and writes[written].t <= now:
            written += 1
        if written:
            write = writes[max(seen, 0)]
            yield now, _age(writes, max(seen, 0), now, write_period_seconds(record)), write


def _age(writes: Sequence[Write], seen: int, now: float, period_seconds: float) -> float:
    """Return the age of a write at a moment, as if the next one, or now, had come within a write period."""
    following = writes[seen + 1].t if seen + 1 < len(writes) else now
    until = min(following, now)
    return now - until + min(until - writes[seen].t, period_seconds)


def _clock(spans: tuple[Span, ...]) -> Iterator[float]:
    for span in spans:
        for step in range(int(span.seconds / CLOCK_STEP_SECONDS) + 1):
            yield span.start + step * CLOCK_STEP_SECONDS


CHECKS = (
    Check(
        "arrival-latency",
        "from a write to its first arrival at the sink, 99th percentile",
        "s",
        arrival_latency,
        samples_min=5,
        whole_run=False,
        alone=True,
    ),
    Check(
        "age-of-information",
        "age of the newest value at the sink, on a 50 ms clock, worst moment",
        "s",
        age_of_information,
        samples_min=100,
        whole_run=False,
    ),
    Check(
        "age-of-information-at-stop",
        "age of the newest value at the sink when the bridge is asked to end",
        "s",
        age_at_stop,
        samples_min=1,
    ),
)

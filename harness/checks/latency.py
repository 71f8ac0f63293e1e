"""How old the truth is at the sink: per update, and on a clock."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.checks.arrivals import arrivals
from harness.checks.contract import Check, Measure
from harness.checks.spans import Span, inside, judged
from harness.record import Ledger, RunRecord, Write
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
    """Now minus the write time of the newest value at the sink, worst moment of a 50 ms clock, s."""
    newest = [(arrival.t, arrival.write) for arrival in arrivals(record) if arrival.write is not None]
    if not newest or not record.ledger.writes:
        return Measure(None, 0, "no update that the job wrote reached the sink")
    worst: tuple[float, float, Write] | None = None
    count = 0
    seen: Write | None = None
    position = written = 0
    writes = record.ledger.writes
    for now in _clock(judged(record, spec)):
        while position < len(newest) and newest[position][0] <= now:
            seen = newest[position][1] if seen is None or newest[position][1].t > seen.t else seen
            position += 1
        while written < len(writes) and writes[written].t <= now:
            written += 1
        if written == 0 or (seen is writes[written - 1] and not _job_is_writing(record.ledger, now)):
            continue  # nothing newer exists, and that is the job's doing
        count += 1
        basis = seen or writes[0]
        age = now - basis.t
        if worst is None or age > worst[0]:
            worst = (age, now, basis)
    if worst is None:
        return Measure(None, 0, "at no moment of the judged phases there was a value to be seen")
    age, now, basis = worst
    return Measure(
        age, count, f"at {now:.1f} s the newest value at the sink was write {basis.sequence}, {age:.2f} s old", now
    )


def _clock(spans: tuple[Span, ...]) -> Iterator[float]:
    for span in spans:
        for step in range(int(span.seconds / CLOCK_STEP_SECONDS) + 1):
            yield span.start + step * CLOCK_STEP_SECONDS


def _job_is_writing(ledger: Ledger, now: float) -> bool:
    ended = ledger.ended is not None and now >= ledger.ended
    return not ended and not any(start <= now <= end for start, end in ledger.pauses)


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
)

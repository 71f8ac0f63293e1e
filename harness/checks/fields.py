"""One bad field costs that field alone: all others of the same write arrive, and nothing in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, Arrival, arrivals
from harness.checks.contract import Check, Measure
from harness.checks.delivery import unmissable
from harness.checks.spans import inside, judged
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec


def fields_arrive(record: RunRecord, spec: CheckSpec) -> Measure:
    """Count fields of the judged phases' writes that did not arrive, and such that arrived though they were no numbers.

    Only of writes that a reading once an interval cannot miss.
    """
    spans = judged(record, spec)
    shown: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals(record):
        if arrival.write is not None:
            shown[arrival.write.sequence].append(arrival)
    due = [write for write in unmissable(record) if inside(spans, write.t)]
    spoiled = sum(1 for write in due if _without(write))
    wrong = [(write.t, what) for write in due for what in _wrong(write, shown[write.sequence])]
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), len(due), evidence, at, broken=True)
    return Measure(
        0.0 if due else None,
        len(due),
        f"all good fields of {len(due)} writes arrived, {spoiled} of which had a bad one",
    )


def _without(write: Write) -> list[str]:
    return [name for name in (*GAUGES.values(), *COUNTERS.values(), *HISTOGRAMS.values()) if name not in write.values]


def _wrong(write: Write, shown: list[Arrival]) -> Iterator[str]:
    called = f"write {write.sequence}, at {write.t:.1f} s" + "".join(f" without {name}" for name in _without(write))
    if not shown:
        yield f"nothing of {called} arrived"
        return
    for metric, name in (GAUGES | COUNTERS | HISTOGRAMS).items():
        arrived = any(arrival.update.valued(metric, write.job_id) for arrival in shown)
        if name in write.values and not arrived:
            yield f"{metric} of {called} did not arrive"
        if name not in write.values and metric in GAUGES and arrived:
            yield f"{metric} arrived with {called}"


CHECKS = (
    Check(
        "fields-arrive",
        "good fields that did not arrive beside a bad one, and bad ones that did",
        "wrong values",
        fields_arrive,
        samples_min=3,
        whole_run=False,
    ),
)

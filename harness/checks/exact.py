"""All nine metrics as documented, by a rule that any honest bridge can keep: what our own totals add is in totals.py.

The rule for totals is wider here than `counters-match`: docs/metrics.md lets a bridge count a lower bound where epochs
or a restart went by unread, and others take that bound elsewhere than we do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness.checks.arrivals import COUNTERS, HISTOGRAMS, arrivals
from harness.checks.contract import Check, Measure, interval_seconds
from harness.checks.delivery import unmissable
from harness.checks.documented import FIELDS, Wrong, points, wrong_points
from harness.checks.totals import SUM_TOLERANCE, Done, Step, certain, steps_of_each_job
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec


def metrics_exact(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count everything about the nine metrics that is not as documented, or not what the job did."""
    judged = len(points(record))
    if not judged or not record.ledger.writes:
        return Measure(None, 0, "no point of the nine metrics reached the sink, or the job's ledger has no write")
    wrong = [*wrong_points(record), *_left_out(record), *_wrong_counters(record), *_wrong_histograms(record)]
    if wrong:
        at, evidence = min(wrong, key=lambda one: one[0])  # of one moment: what is wrong with a point for itself
        return Measure(float(len(wrong)), judged, evidence, at, broken=True)
    return Measure(0.0, judged, f"{judged} points of {len(FIELDS)} metrics are as documented, and what the job did")


def _left_out(record: RunRecord) -> Iterator[Wrong]:
    """Metrics that did not come with a write that was shown, within one interval of it."""
    times: dict[str, list[int]] = defaultdict(list)
    for _, point in points(record):
        if not point.no_recorded_value:
            times[point.metric].append(point.time_unix_nano)
    first = min(export.t for export, _ in points(record))
    certain_fields = {field for write in unmissable(record) for field in write.values}
    for metric, field in FIELDS.items():
        if metric not in times and field in certain_fields:
            yield first, f"{metric} never arrived, though the job wrote {field}"
    come = {metric: sorted(found) for metric, found in times.items()}
    yield from _left_out_with_a_write(record, come)


def _left_out_with_a_write(record: RunRecord, come: dict[str, list[int]]) -> Iterator[Wrong]:
    near = int(interval_seconds(record) * 1e9)
    shown: dict[int, list[tuple[float, int]]] = defaultdict(list)
    by_sequence: dict[int, Write] = {}
    for arrival in arrivals(record):
        if arrival.write is not None:
            by_sequence[arrival.write.sequence] = arrival.write
            shown[arrival.write.sequence].append((arrival.t, arrival.update.time_unix_nano))
    for sequence, ticks in shown.items():
        for metric, times in come.items():
            if FIELDS.get(metric) in by_sequence[sequence].values and not any(
                _one_near(times, tick, near) for _, tick in ticks
            ):
                yield ticks[0][0], f"at {ticks[0][0]:.1f} s {metric} did not come with write {sequence}"


def _one_near(times: Sequence[int], tick: int, near: int) -> bool:
    place = bisect_left(times, tick - near)
    return place < len(times) and times[place] <= tick + near


def _wrong_counters(record: RunRecord) -> Iterator[Wrong]:
    done = Done(record)
    for metric, field in COUNTERS.items():
        for steps in steps_of_each_job(record, metric):
            before: Step | None = None
            for step in steps:
                same = before is not None and _same_start(before, step)
                yield from _at(step, _wrong_total(metric, field, before if same else None, step, done))
                before = step


def _wrong_total(metric: str, field: str, before: Step | None, step: Step, done: Done) -> Iterator[str]:
    """``before``: the delivery before, under the same start."""
    true = done.by(step.index, field)
    if step.total > true:
        yield f"{metric} is {step.total:g} where the job had done {true:g}"
    if before is None or step.index < before.index:
        return
    grown, most = step.total - before.total, true - done.by(before.index, field)
    if grown < 0:
        yield f"{metric} fell from {before.total:g} to {step.total:g} without a new start"
    elif grown > most:
        yield f"{metric} grew by {grown:g} since write {before.write.sequence}, the job did {most:g}"
    elif grown < (least := _seen_within_an_epoch(before.write, step.write, field)):
        yield f"{metric} grew by {grown:g} since write {before.write.sequence}, in whose epoch {least:g} were done"


def _seen_within_an_epoch(before: Write, now: Write, field: str) -> float:
    """Only there all bridges must see the same: where a number starts over some lose what it shows."""
    same = before.values.get("epoch") == now.values.get("epoch")
    goes_on = before.values.get(field, 0) <= now.values.get(field, 0)
    return certain(before, now, field) if same and goes_on else 0.0


def _wrong_histograms(record: RunRecord) -> Iterator[Wrong]:
    sure = {write.sequence for write in unmissable(record)}
    for metric, field in HISTOGRAMS.items():
        for steps in steps_of_each_job(record, metric):
            before: Step | None = None
            for step in steps:
                same = before is not None and _same_start(before, step)
                before, since = step, before if same else None
                if since is None or since.index <= step.index:
                    passed = _passed(record, field, since, step)
                    yield from _at(step, _wrong_histogram(metric, since, step, passed, sure))


def _passed(record: RunRecord, field: str, before: Step | None, step: Step) -> dict[int, float]:
    """What the job wrote since a delivery, or ever, up to this one: sequence number -> value."""
    writes = record.ledger.writes[0 if before is None else before.index + 1 : step.index + 1]
    return {
        write.sequence: float(write.values[field])
        for write in writes
        if field in write.values and write.job_id == step.write.job_id
    }


def _wrong_histogram(
    metric: str, before: Step | None, step: Step, passed: Mapping[int, float], sure: set[int]
) -> Iterator[str]:
    """``before``: the delivery before, under the same start; ``sure``: the writes that no reader can have missed."""
    due = 0 if before is None else len(passed.keys() & (sure | {step.write.sequence}))
    since = "since its start" if before is None else f"since write {before.write.sequence}"
    added = (step.point.count or 0) - (0 if before is None else before.point.count or 0)
    if not due <= added <= len(passed):
        yield f"{metric} took {added} values {since}, where the job wrote {_range(due, len(passed))}"
        return
    grown = step.total - (0.0 if before is None else before.total)
    least, most = _sums(list(passed.values()), added)
    off = SUM_TOLERANCE * max(1.0, abs(step.total))
    if not least - off <= grown <= most + off:
        yield f"{metric} grew by {grown:g} {since}, where {added} writes add up to {_range(least, most)}"


def _sums(values: Sequence[float], count: int) -> tuple[float, float]:
    """The least and the most that so many of the values add up to, each taken once at most."""
    rising = sorted(values)
    return sum(rising[:count]), sum(rising[len(rising) - count :])


def _range(least: float, most: float) -> str:
    return f"{most:g}" if least == most else f"{least:g} to {most:g}"


def _same_start(before: Step, step: Step) -> bool:
    return before.point.start_time_unix_nano == step.point.start_time_unix_nano


def _at(step: Step, found: Iterator[str]) -> Iterator[Wrong]:
    for what in found:
        yield step.arrival.t, f"at {step.arrival.t:.1f} s, with write {step.write.sequence}, {what}"


CHECKS = (
    Check(
        "metrics-exact",
        "whatever of the nine metrics is not as documented: name, kind, unit, service, attributes, times; counters that"
        " fall within a start, exceed what the job did, grow by more than it did between two deliveries, or by less"
        " than they show within an epoch; histograms of anything but writes, each once at most",
        "wrong values",
        metrics_exact,
        samples_min=20,
    ),
)

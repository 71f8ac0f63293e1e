"""All nine metrics as documented, by a rule that any honest bridge can keep: what our own totals add is in totals.py.

The rule for totals is wider here than `counters-match`: docs/metrics.md lets a bridge count a lower bound where epochs
or a restart went by unread, and others take that bound elsewhere than we do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.checks.arrivals import COUNTERS, HISTOGRAMS, arrivals, strays
from harness.checks.contract import Check, Measure, interval_seconds
from harness.checks.delivery import unmissable
from harness.checks.distributions import Passed, wrong_histogram
from harness.checks.documented import FIELDS, Wrong, points, wrong_points
from harness.checks.spans import process_events
from harness.checks.steps import Step, steps_of_each_job
from harness.checks.totals import Done, certain_between
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec


def metrics_exact(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count everything about the nine metrics that is not as documented, or not what the job did."""
    judged = len(points(record))
    if not judged or not record.ledger.writes:
        return Measure(None, 0, "no point of the nine metrics reached the sink, or the job's ledger has no write")
    wrong = [*wrong_points(record), *_left_out(record), *_strays(record), *_too_many_starts(record)]
    wrong += [*_wrong_counters(record), *_wrong_histograms(record)]
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


def _strays(record: RunRecord) -> Iterator[Wrong]:
    """Gauges that came without a loss, with values that no write has."""
    for update in strays(record):
        shown = ", ".join(f"{metric} {value!r}" for metric, value in update.gauges.items())
        yield update.t, f"at {update.t:.1f} s {shown} came alone, which no write has"


def _wrong_counters(record: RunRecord) -> Iterator[Wrong]:
    done = Done(record)
    for metric, field in COUNTERS.items():
        for steps in steps_of_each_job(record, metric):
            before: Step | None = None
            for step in steps:
                same = before is not None and step.same_start(before)
                yield from _at(step, _wrong_total(metric, field, before if same else None, step, done))
                before = step


def _wrong_total(metric: str, field: str, before: Step | None, step: Step, done: Done) -> Iterator[str]:
    """``before``: the delivery before, under the same start."""
    true = done.by(step.newest_index, field)
    if step.total > true:
        yield f"{metric} is {step.total:g} where the job had done {true:g}"
    if before is None or step.newest_index < before.index:
        return
    grown, most = step.total - before.total, true - done.by(before.index, field)
    if grown < 0:
        yield f"{metric} fell from {before.total:g} to {step.total:g} without a new start"
    elif grown > most:
        yield f"{metric} grew by {grown:g} since write {before.write.sequence}, the job did {most:g}"
    elif grown < (least := _seen_within_an_epoch(before, step, field)):
        yield f"{metric} grew by {grown:g} since write {before.write.sequence}, in whose epoch {least:g} were done"


def _seen_within_an_epoch(before: Step, step: Step, field: str) -> float:
    """Only there all bridges must see the same: where a number starts over some lose what it shows."""
    old, now = before.newest, step.write
    same = old.values.get("epoch") == now.values.get("epoch")
    goes_on = old.values.get(field, 0) <= now.values.get(field, 0)
    return certain_between(before, step, field) if same and goes_on else 0.0


def _wrong_histograms(record: RunRecord) -> Iterator[Wrong]:
    sure = {write.sequence for write in unmissable(record)}
    for metric, field in HISTOGRAMS.items():
        for steps in steps_of_each_job(record, metric):
            before: Step | None = None
            for step in steps:
                since = before if before is not None and step.same_start(before) else None
                before = step
                if since is None or since.index <= step.newest_index:
                    yield from _at(
                        step, wrong_histogram(metric, since, step, _passed(record, field, since, step, sure))
                    )


def _passed(record: RunRecord, field: str, before: Step | None, step: Step, sure: set[int]) -> Passed:
    """What the job wrote since a delivery, or ever, up to this one."""
    first, last = (0 if before is None else before.index + 1), step.newest_index + 1
    may = {
        index: float(write.values[field])
        for index, write in enumerate(record.ledger.writes[first:last], start=first)
        if field in write.values and write.job_id == step.write.job_id
    }
    must = {
        index: value
        for index, value in may.items()
        if before is not None
        and before.newest_index < index <= step.index
        and (record.ledger.writes[index].sequence in sure or index == step.index)
    }
    return Passed(list(may.values()), list(must.values()))


def _too_many_starts(record: RunRecord) -> Iterator[Wrong]:
    """A total may begin anew with its bridge and with its job; one that always begins anew counts nothing."""
    lives = max(1, len(process_events(record, "bridge", "started")))
    for metric in (*COUNTERS, *HISTOGRAMS):
        for steps in steps_of_each_job(record, metric):
            job_id = steps[0].write.job_id
            processes = sum(one.job_id == job_id for one in record.ledger.processes)
            starts = list(dict.fromkeys(step.point.start_time_unix_nano for step in steps))
            if len(starts) > (most := lives * max(1, processes)):
                step = next(one for one in steps if one.point.start_time_unix_nano == starts[most])
                yield (
                    step.t,
                    f"at {step.t:.1f} s {metric} began anew once more: {len(starts)} starts in all, not {most}",
                )


def _at(step: Step, found: Iterator[str]) -> Iterator[Wrong]:
    for what in found:
        yield step.t, f"at {step.t:.1f} s, with write {step.write.sequence}, {what}"


CHECKS = (
    Check(
        "metrics-exact",
        "whatever of the nine metrics is not as documented: name, kind, unit, service, attributes, times; counters that"
        " fall within a start, exceed what the job did, grow by more than it did between two deliveries, or by less"
        " than they show within an epoch; histograms of anything but writes, each once at"
        " most and in its own bucket",
        "wrong values",
        metrics_exact,
        samples_min=20,
    ),
)

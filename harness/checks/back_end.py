"""What Prometheus holds in the end: the documented names, the ledger's values, right totals, and what was replayed.

Prometheus gets a run's points in two ways. By scrape it sees what the collector shows at that moment; by OTLP it gets
every point with its own time, a replayed backlog too.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from harness.checks import back_end_buckets
from harness.checks.back_end_buckets import Buckets
from harness.checks.contract import Check, Measure, interval_seconds, write_period_seconds
from harness.checks.delivery import unmissable
from harness.record import BackEndSeries, RunRecord, Write
from harness.scenario import CheckSpec

LOSS = "ml_training_loss"
GAUGES: Mapping[str, str] = {
    LOSS: "training_loss",
    "ml_validation_loss": "validation_loss",
    "ml_training_accuracy": "accuracy",
    "ml_training_learning_rate": "learning_rate",
    "ml_training_gpu_utilization": "gpu_utilization",
}
BATCHES, EPOCHS = "ml_training_batch_number_total", "ml_training_epoch_total"
HISTOGRAMS: Mapping[str, str] = {
    "ml_training_processing_time_milliseconds": "processing_time_ms",
    "ml_training_samples_per_second": "samples_per_second",
}
DOCUMENTED = (*GAUGES, BATCHES, EPOCHS, *(f"{name}{end}" for name in HISTOGRAMS for end in ("_sum", "_count")))
"""The names in Prometheus, as docs/metrics.md states them; the buckets beside them: see `back_end_buckets.py`."""
WAYS = ("scrape", "otlp")

_SUM_OFF = 1e-9
"""Of a sum: floating point adds up in another order."""
_INCREASE_OFF, _INCREASE_OFF_SHARE = 0.5, 0.02
"""increase() is extrapolated to the edges of its range, which lie a quarter of a second outside of the samples."""
_STAMP_LATE_SECONDS = 0.25
"""The job notes a write's time after it is visible; a busy machine may come between."""
_READ_BY_INTERVALS = 2
"""Writes this far apart are all read, so that a total is exact; closer ones make it a lower bound."""


@dataclass(frozen=True, slots=True)
class Moment:
    """All that Prometheus holds of one scrape, or of one tick."""

    way: str
    t: float
    values: dict[str, float]
    buckets: dict[str, Buckets] = dataclasses.field(default_factory=dict)
    """By histogram."""


def back_end_values(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count what is not as documented: names, gauges that no write had, totals that are not the ledger's."""
    if not record.back_end:
        return Measure(None, 0, "Prometheus holds nothing of this run")
    wrong: list[tuple[float, str]] = []
    compared = 0
    if without := [way for way in WAYS if not _holds_buckets(record, way)]:
        return Measure(None, 0, f"by {without[0]} there is no bucket of a histogram in the record")
    for way in WAYS:
        moments = moments_of(record, way)
        wrong += [(0.0, problem) for problem in _names(record, way)]
        begun: tuple[Write, Moment] | None = None
        for moment in moments:
            write = _write_shown(record, moment)
            if write is None:
                wrong.append((moment.t, f"by {way} {LOSS} is {moment.values.get(LOSS)!r}, which was never written"))
                continue
            found = [*_gauges(moment, write), *_buckets(moment)]
            if begun is not None and _all_are_read(record):
                found += _totals(record, begun, (write, moment))
            begun = begun or (write, moment)
            compared += len(moment.values) + sum(map(len, moment.buckets.values()))
            wrong += [(moment.t, f"by {way} {one}") for one in found]
        wrong += _not_the_last(record, moments)
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), compared, f"at {at:.1f} s {evidence}", at, broken=True)
    return Measure(0.0, compared, f"{compared} values in Prometheus are the ledger's, under {len(DOCUMENTED)} names")


def counter_increase(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the counters whose increase() over the run is not what the ledger counted meanwhile."""
    asked = [series for series in record.back_end if series.query == "increase"]
    raw = {_key(series): series for series in record.back_end if series.query == "raw"}
    wrong: list[str] = []
    worst = (0.0, "")
    for series in asked:
        held = raw[_key(series)]
        by_time = {moment.t: moment for moment in moments_of(record, series.way)}
        first, last = (by_time.get(held.samples[place][0]) for place in (0, -1))
        begin, end = (None if moment is None else _write_shown(record, moment) for moment in (first, last))
        if begin is None or end is None or not series.samples:
            wrong.append(f"increase({series.name}) by {series.way} begins or ends with a value never written")
            continue
        least, most = _counted(record, series.name, begin, end)
        measured = series.samples[-1][1]
        off = max(least - measured, measured - most, 0.0)
        said = f"increase({series.name}) by {series.way} is {measured:.2f}, the ledger counted {_range(least, most)}"
        worst = max(worst, (off, said))
        if off > _INCREASE_OFF + _INCREASE_OFF_SHARE * most:
            wrong.append(said)
    if wrong:
        return Measure(float(len(wrong)), len(asked), wrong[0], broken=True)
    if not asked:
        return Measure(None, 0, "Prometheus holds no counter of this run")
    return Measure(0.0, len(asked), f"{len(asked)} counters grew as the ledger did; {worst[1]}")


def backlog_in_back_end(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the writes that Prometheus, which gets every point by OTLP, does not hold at the time that they stood."""
    moments = moments_of(record, "otlp")
    writes = record.ledger.writes
    due = unmissable(record)
    if not due:
        return Measure(None, 0, "no write stood long enough to be read for certain")
    lost = []
    for write in due:
        following = next((one.t for one in writes if one.t > write.t), write.t + write_period_seconds(record))
        until = following + interval_seconds(record) + _STAMP_LATE_SECONDS
        loss = write.values["training_loss"]
        at_its_time = [m for m in moments if write.t - _STAMP_LATE_SECONDS <= m.t <= until and m.values[LOSS] == loss]
        if not at_its_time:
            other = next((m.t for m in moments if m.values[LOSS] == loss), None)
            lost.append((write, "is not there" if other is None else f"stands at {other:.1f} s"))
    if lost:
        write, what = lost[0]
        evidence = f"{len(lost)} of {len(due)} writes, the first of them write {write.sequence} of {write.t:.1f} s"
        return Measure(float(len(lost)), len(due), f"{evidence}, which {what}", write.t, broken=True)
    return Measure(0.0, len(due), f"all {len(due)} writes stand in Prometheus at their own times")


def moments_of(record: RunRecord, way: str) -> list[Moment]:
    """Return what came in one way, moment by moment; those without a loss are left out."""
    found: dict[float, dict[str, float]] = defaultdict(dict)
    buckets: dict[float, dict[str, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for series in record.back_end:
        if series.query != "raw" or series.way != way:
            continue
        histogram = back_end_buckets.histogram_of(series)
        for t, value in series.samples:
            if histogram is None:
                found[t][series.name] = value
            else:
                buckets[t][histogram][back_end_buckets.upper_bound_of(series)] = value
    return [Moment(way, t, values, {**buckets[t]}) for t, values in sorted(found.items()) if LOSS in values]


def _holds_buckets(record: RunRecord, way: str) -> bool:
    """An older record was not asked for them; a histogram that was carried has one at least."""
    of_way = [series for series in record.back_end if series.way == way and series.query == "raw"]
    if not any(series.name in {f"{name}_count" for name in HISTOGRAMS} for series in of_way):
        return True  # there are no histograms: that is what is wrong then
    return any(back_end_buckets.histogram_of(series) is not None for series in of_way)


def _names(record: RunRecord, way: str) -> Iterator[str]:
    of_way = [series for series in record.back_end if series.query == "raw" and series.way == way]
    there = {series.name for series in of_way if back_end_buckets.histogram_of(series) not in HISTOGRAMS}
    for name in DOCUMENTED:
        if name not in there:
            yield f"by {way} there is no {name}; there are: {', '.join(sorted(there)) or 'none'}"
    for name in sorted(there - {*DOCUMENTED}):
        yield f"by {way} there is {name}, which is documented nowhere"
    for problem in back_end_buckets.wrong_bounds(record, way):
        yield f"by {way} {problem}"


def _write_shown(record: RunRecord, moment: Moment) -> Write | None:
    """The mock job's loss is unique to its write."""
    writes = record.ledger.writes
    return next((write for write in writes if write.values.get("training_loss") == moment.values[LOSS]), None)


def _gauges(moment: Moment, write: Write) -> Iterator[str]:
    for name, field in GAUGES.items():
        written, held = write.values.get(field), moment.values.get(name)
        if written is not None and held != written:
            yield f"{name} is {held!r}, in write {write.sequence} {written!r}"


def _buckets(moment: Moment) -> Iterator[str]:
    for name in HISTOGRAMS:
        count = moment.values.get(f"{name}_count")
        yield from back_end_buckets.wrong_counts(name, moment.buckets.get(name, {}), count)


def _totals(record: RunRecord, begun: tuple[Write, Moment], now: tuple[Write, Moment]) -> Iterator[str]:
    """Hold what was added since the first moment against what the job wrote since."""
    (first, before), (write, moment) = begun, now
    for name in DOCUMENTED:
        if name in GAUGES or name not in moment.values or name not in before.values:
            continue
        least, most = _counted(record, name, first, write)
        added = moment.values[name] - before.values[name]
        off = _SUM_OFF * max(1.0, abs(most))
        if not least - off <= added <= most + off:
            yield f"{name} grew by {added:g} since write {first.sequence}, the ledger by {_range(least, most)}"
    certain, written = _passed(record, first, write)
    for name, key in HISTOGRAMS.items():
        took, now_held = before.buckets.get(name, {}), moment.buckets.get(name, {})
        read, wrote = ([one.values[key] for one in writes[1:]] for writes in (certain, written))
        for problem in back_end_buckets.wrong_growth(name, took, now_held, read, wrote):
            yield f"since write {first.sequence} {problem}"


def _counted(record: RunRecord, name: str, first: Write, last: Write) -> tuple[float, float]:
    """What the ledger counted between two writes, the later one included: the least, and the most.

    They differ where a write stood too shortly to be read for certain, as the last but one does at the end of a job.
    """
    certain, written = _passed(record, first, last)
    return _sum(name, certain), _sum(name, written)


def _passed(record: RunRecord, first: Write, last: Write) -> tuple[list[Write], list[Write]]:
    """The writes from one to another: those that were read for certain, and all."""
    writes = [write for write in record.ledger.writes if first.sequence <= write.sequence <= last.sequence]
    certain = {write.sequence for write in unmissable(record)} | {first.sequence, last.sequence}
    return [write for write in writes if write.sequence in certain], writes


def _sum(name: str, writes: list[Write]) -> float:
    if name == EPOCHS:
        return writes[-1].values["epoch"] - writes[0].values["epoch"]
    if name == BATCHES:
        return sum(_batches(before, after) for before, after in pairwise(writes))
    if name.endswith("_count"):
        return len(writes) - 1
    return sum(write.values[HISTOGRAMS[name.removesuffix("_sum")]] for write in writes[1:])


def _range(least: float, most: float) -> str:
    return f"{most:g}" if least == most else f"{least:g} to {most:g}"


def _batches(before: Write, after: Write) -> float:
    """The batch number starts over with each epoch."""
    same = before.values["epoch"] == after.values["epoch"]
    return after.values["batch_number"] - (before.values["batch_number"] if same else 0)


def _all_are_read(record: RunRecord) -> bool:
    return write_period_seconds(record) >= _READ_BY_INTERVALS * interval_seconds(record)


def _not_the_last(record: RunRecord, moments: list[Moment]) -> Iterator[tuple[float, str]]:
    if moments and record.ledger.writes:
        shown, last = _write_shown(record, moments[-1]), record.ledger.writes[-1]
        if shown is not None and shown.sequence != last.sequence:
            moment = moments[-1]
            yield moment.t, f"by {moment.way} the last value is write {shown.sequence}, of {last.sequence}"


def _key(series: BackEndSeries) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(series.labels.items()))


CHECKS = (
    Check(
        "back-end-values",
        "names and values in Prometheus that are not the documented ones, or not the ledger's",
        "wrong values",
        back_end_values,
        samples_min=20,
        needs=frozenset({"prometheus"}),
    ),
    Check(
        "counter-increase",
        "counters whose increase() by PromQL is not what the ledger counted",
        "wrong values",
        counter_increase,
        samples_min=4,
        needs=frozenset({"prometheus"}),
    ),
    Check(
        "backlog-in-back-end",
        "writes that Prometheus does not hold at their own times, although it gets every point",
        "lost writes",
        backlog_in_back_end,
        samples_min=3,
        needs=frozenset({"prometheus"}),
    ),
)

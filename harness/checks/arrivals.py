"""What reached the sink, one update at a time, and which write of the job each update shows.

The job's file is a register that keeps the last write only, so an update names its write by its values: the mock job's
loss is unique to its write. Where two writes have the same loss (a real training may), the other gauges and then the
order decide.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.record import Export, Point, RunRecord, Write

LOSS = "ml.training.loss"
GAUGES = {
    LOSS: "training_loss",
    "ml.validation.loss": "validation_loss",
    "ml.training.accuracy": "accuracy",
    "ml.training.learning_rate": "learning_rate",
    "ml.training.gpu_utilization": "gpu_utilization",
}
"""Metric -> field of the file, for those whose value at the sink is the file's value."""
COUNTERS = {"ml.training.batch_number": "batch_number", "ml.training.epoch": "epoch"}
HISTOGRAMS = {
    "ml.training.processing_time": "processing_time_ms",
    "ml.training.samples_per_second": "samples_per_second",
}
JOB_ID = "job.id"
"""The attribute that names the job."""

SAME_TICK_NANO = 1_000_000  # points of one collect carry one time, or times within the same millisecond
STAMP_LATE_SECONDS = 0.25  # the job notes a write's time after it is visible; a busy machine may come between


@dataclass(frozen=True, slots=True)
class Update:
    """One tick's gauges as they reached the sink; no-recorded-value points are left out."""

    t: float
    time_unix_nano: int
    gauges: dict[str, float | int]
    points: tuple[Point, ...] = ()
    """Everything else of the tick too: totals, histograms, ends."""

    def valued(self, metric: str, job_id: str) -> Point | None:
        """The tick's point of a metric that has a value and speaks of this job, or of no job by name."""
        return next(
            (
                point
                for point in self.points
                if point.metric == metric
                and not point.no_recorded_value
                and str(point.attributes.get(JOB_ID, job_id)) == job_id
            ),
            None,
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """An update and the write that it shows."""

    update: Update
    write: Write | None
    """None: no write that was visible by then had this loss."""
    index: int | None
    """The write's place in the ledger."""

    @property
    def t(self) -> float:
        """When it reached the sink."""
        return self.update.t


def updates(record: RunRecord) -> list[Update]:
    """Return the updates that show a gauge, in order of arrival; what was sent again is left out as in `ticks`."""
    return [update for update in ticks(record) if update.gauges]


def ticks(record: RunRecord) -> list[Update]:
    """Return what came of each tick in each call, in order of arrival.

    A request that was sent again because its answer was lost comes with the same points, all of them equal in
    everything: that is no second tick and left out. One that differs in any value is another one.
    """
    found: list[Update] = []
    seen: set[tuple[object, ...]] = set()
    for export in sorted(record.exports, key=lambda export: export.t):
        resource = tuple(sorted(export.resource.items()))
        for update in _ticks(export) if export.delivered else ():
            key = tuple(_identity(resource, point) for point in update.points)
            if key not in seen:
                seen.add(key)
                found.append(update)
    return found


def _identity(resource: tuple[object, ...], point: Point) -> tuple[object, ...]:
    """All that a point says, under the resource of its call or one of its own."""
    under = resource if point.resource is None else tuple(sorted(point.resource.items()))
    own = tuple(sorted(point.attributes.items())), under
    at = point.time_unix_nano, point.start_time_unix_nano
    return point.metric, point.kind, *at, point.value, point.count, point.no_recorded_value, point.buckets, *own


def _ticks(export: Export) -> Iterator[Update]:
    """Split a call into ticks: a replayed backlog brings many. A series that comes again belongs to the next tick."""
    series: set[tuple[str, tuple[tuple[str, object], ...]]] = set()
    tick: list[Point] = []
    for point in export.points:
        key = (point.metric, tuple(sorted(point.attributes.items())))
        if tick and (key in series or abs(point.time_unix_nano - tick[0].time_unix_nano) > SAME_TICK_NANO):
            yield _update(export.t, tick)
            tick, series = [], set()
        tick.append(point)
        series.add(key)
    if tick:
        yield _update(export.t, tick)


def _update(t: float, tick: Sequence[Point]) -> Update:
    gauges = {
        point.metric: point.value
        for point in tick
        if point.metric in GAUGES and point.value is not None and not point.no_recorded_value
    }
    return Update(t, tick[0].time_unix_nano, gauges, tuple(tick))


def differences(update: Update, write: Write) -> list[tuple[str, float | int | None, float | int | None]]:
    """Return (metric, at the sink, written) for each gauge that is not the write's; None: not there.

    A value that is not finite cannot be sent and is not missed.
    """
    found: list[tuple[str, float | int | None, float | int | None]] = []
    for metric, name in GAUGES.items():
        written = write.values.get(name)
        if written is not None and not math.isfinite(written):
            continue
        arrived = update.gauges.get(metric)
        if arrived != written:
            found.append((metric, arrived, written))
    return found


def arrivals(record: RunRecord) -> list[Arrival]:
    """Return every update with the write that it shows, in order of arrival.

    An update without a loss is one where a write without a loss has all of its other gauges; else it is left out, and
    for `strays` to look at.
    """
    writes = record.ledger.writes
    by_loss: dict[float | None, list[int]] = defaultdict(list)
    for index, write in enumerate(writes):
        by_loss[write.values.get("training_loss")].append(index)
    named: list[Arrival] = []
    newest = -1
    for update in updates(record):
        place = _named(update, by_loss.get(update.gauges.get(LOSS), []), writes, newest)
        if place is None and LOSS not in update.gauges:
            continue
        named.append(Arrival(update, None if place is None else writes[place], place))
        newest = max(newest, -1 if place is None else place)
    return named


def strays(record: RunRecord) -> list[Update]:
    """Return the updates without a loss whose gauges are those of no write that was visible by then.

    A bridge may send its gauges in several calls; each value must be one of a write all the same.
    """
    writes = record.ledger.writes
    return [
        update
        for update in updates(record)
        if LOSS not in update.gauges
        and not any(_has(write, update) for write in writes if write.t <= update.t + STAMP_LATE_SECONDS)
    ]


def _has(write: Write, update: Update) -> bool:
    return all(write.values.get(GAUGES[metric]) == value for metric, value in update.gauges.items())


def _named(update: Update, candidates: list[int], writes: Sequence[Write], newest: int) -> int | None:
    visible = [index for index in candidates if writes[index].t <= update.t + STAMP_LATE_SECONDS]
    unsure = len(visible) > 1 or LOSS not in update.gauges
    alike = [index for index in visible if not differences(update, writes[index])] if unsure else []
    options = alike or (visible if LOSS in update.gauges else [])
    if not options:
        return None
    return next((index for index in options if index >= newest), options[-1])

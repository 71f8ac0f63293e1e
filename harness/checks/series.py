"""Which series there are at the sink: one a metric for each job, of one job at a time, ended when they are over."""

from __future__ import annotations

from collections import defaultdict, deque

from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, JOB_ID, SAME_TICK_NANO, Arrival, arrivals
from harness.checks.contract import Check, Measure
from harness.record import Export, Point, RunRecord
from harness.scenario import CheckSpec

_OF_THE_JOB = frozenset({*GAUGES, *COUNTERS, *HISTOGRAMS})
_OF_THE_RESOURCE = ("service.namespace", "service.name", "service.instance.id")
Series = tuple[str, tuple[tuple[str, object], ...]]


def series_of(point: Point) -> Series:
    """Return what tells a series from all others of the same bridge: its metric and its attributes."""
    return point.metric, tuple(sorted(point.attributes.items()))


def series_in_prometheus(export: Export, point: Point) -> tuple[object, ...]:
    """Return what tells a series from all others in Prometheus, which makes job and instance of the resource."""
    resource = export.resource_of(point)
    return (*series_of(point), *(str(resource.get(name, "")) for name in _OF_THE_RESOURCE))


def series_count(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Sets of attributes that a metric of the job ever had, by the number of jobs; of the metric that has most.

    A bridge that calls itself by another service.instance.id makes new series of all, also after a restart.

    What a bridge says of itself is not looked at: its reasons and the like are attributes too, and bounded by itself.
    """
    sets: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    samples = 0
    for export in record.exports:
        for point in export.points if export.delivered else ():
            if point.metric not in _OF_THE_JOB:
                continue
            samples += 1
            sets[point.metric].add(series_in_prometheus(export, point))
    if not sets:
        return Measure(None, 0, "no data point reached the sink")
    jobs = len({process.job_id for process in record.ledger.processes}) or 1
    metric, most = max(sets.items(), key=lambda entry: len(entry[1]))
    sets_of = "1 set of" if len(most) == 1 else f"{len(most)} sets of"
    evidence = f"{metric} came with {sets_of} attributes for {jobs} job{'s' if jobs > 1 else ''}"
    return Measure(len(most) / jobs, samples, evidence)


def job_identity(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count points that carry another job's name than the write which they show, and series that outlive their job."""
    arrived = [arrival for arrival in arrivals(record) if arrival.write is not None and arrival.write.job_id]
    if len({arrival.write.job_id for arrival in arrived if arrival.write}) < 2:  # noqa: PLR2004 - one and another
        return Measure(None, 0, "no two jobs were seen at the sink")
    wrong: list[tuple[float, str]] = []
    compared = 0
    live: set[Series] = set()
    coming = deque(_by_tick(record))
    for arrival in sorted(arrived, key=lambda arrival: arrival.update.time_unix_nano):
        compared += len(arrival.update.points)
        wrong += _wrong_names(arrival)
        while coming and coming[0].time_unix_nano <= arrival.update.time_unix_nano + SAME_TICK_NANO:
            point = coming.popleft()
            (live.discard if point.no_recorded_value else live.add)(series_of(point))
        left = {one for one in live if _of_another(dict(one[1]), arrival)}
        if left:
            wrong.append((arrival.t, f"at {arrival.t:.1f} s {min(left)[0]} of the job before was not ended"))
            live -= left
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), compared, evidence, at, broken=True)
    return Measure(0.0, compared, f"{compared} points carry their own job's name, and each job's series ended with it")


def _by_tick(record: RunRecord) -> list[Point]:
    """All points that arrived in the order of their ticks: an end may come in a call of its own."""
    points = [point for export in record.exports if export.delivered for point in export.points]
    return sorted(points, key=lambda point: point.time_unix_nano)


def _wrong_names(arrival: Arrival) -> list[tuple[float, str]]:
    return [
        (
            arrival.t,
            f"at {arrival.t:.1f} s {point.metric} is named {point.attributes[JOB_ID]}, {_own(arrival)} wrote",
        )
        for point in arrival.update.points
        if not point.no_recorded_value and _of_another(point.attributes, arrival)
    ]


def _of_another(attributes: dict[str, object] | dict[str, str | int | float | bool], arrival: Arrival) -> bool:
    return JOB_ID in attributes and str(attributes[JOB_ID]) != _own(arrival)


def _own(arrival: Arrival) -> str:
    return arrival.write.job_id if arrival.write else ""


CHECKS = (
    Check(
        "series-count",
        "sets of attributes of one metric for each job, of the metric that has most",
        "series a job",
        series_count,
        samples_min=10,
    ),
    Check(
        "job-identity",
        "points with another job's name, and series that outlive their job",
        "wrong values",
        job_identity,
        samples_min=20,
    ),
)

"""Each data point for itself: its name, kind, unit, attributes, service and times, as docs/metrics.md has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, LOSS, arrivals
from harness.checks.contract import interval_seconds
from harness.checks.delivery import hidden_spans
from harness.record import Export, Point, RunRecord
from harness.scenario import SERVICE_NAME

FIELDS: Mapping[str, str] = GAUGES | COUNTERS | HISTOGRAMS
"""Metric -> field of the file, all nine."""
KINDS: Mapping[str, str] = (
    dict.fromkeys(GAUGES, "gauge") | dict.fromkeys(COUNTERS, "sum") | dict.fromkeys(HISTOGRAMS, "histogram")
)
UNITS: Mapping[str, str] = dict.fromkeys(FIELDS, "") | {"ml.training.processing_time": "ms"}
PREFIXES = ("ml.training.", "ml.validation.")
"""Names that begin so are the nine's; under any other a bridge may say what it likes."""

_CLOCKS_APART_SECONDS = 1.0
"""Beside one interval: the machine's wall clock may be set meanwhile, and a busy machine stamps late."""

Wrong = tuple[float, str]


def points(record: RunRecord) -> list[tuple[Export, Point]]:
    """Return the points under the nine's prefixes that were delivered, each with its call."""
    return [
        (export, point)
        for export in record.exports
        if export.delivered
        for point in export.points
        if point.metric.startswith(PREFIXES)
    ]


def wrong_points(record: RunRecord) -> Iterator[Wrong]:
    """Tell what no point of a documented bridge has; what the record does not hold is not judged."""
    expected = _Expected.of(record)
    for export, point in points(record):
        for what in (
            *_not_documented(point),
            *_of_others(point, export, expected),
            *_out_of_time(point, export, record),
        ):
            yield export.t, f"at {export.t:.1f} s {point.metric} {what}"
    yield from _of_other_instances(record)
    yield from _before_their_write(record)
    yield from _after_the_next_write(record)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the bridge and the job were told."""

    service: str
    jobs: tuple[dict[str, str], ...]
    """The attributes of each of the job's processes; one that its ledger leaves out is empty."""

    @classmethod
    def of(cls, record: RunRecord) -> _Expected:
        env = record.scenario["bridge"].get("env", {})
        jobs = tuple(
            {"job.id": one.job_id, "model.name": one.model_name, "dataset": one.dataset}
            for one in record.ledger.processes
        )
        return cls(str(env.get("OTEL_SERVICE_NAME", SERVICE_NAME)), jobs)


def _not_documented(point: Point) -> Iterator[str]:
    if point.metric not in FIELDS:
        yield "is documented nowhere"
        return
    kind, unit = KINDS[point.metric], UNITS[point.metric]
    if point.kind != kind:
        yield f"is a {point.kind}, documented as a {kind}"
    if point.unit not in {None, unit}:
        yield f"has the unit {point.unit!r}, documented is {unit!r}"
    if kind == "sum" and point.monotonic is False:
        yield "is not monotonic"
    if kind != "gauge" and point.temporality not in {None, "cumulative"}:
        yield f"is {point.temporality}, not cumulative"


def _of_others(point: Point, export: Export, expected: _Expected) -> Iterator[str]:
    resource = export.resource_of(point)
    service = resource.get("service.name")
    if service != expected.service:
        yield f"came from service.name {service!r}, given was {expected.service!r}"
    if not resource.get("service.instance.id"):
        yield "came without a service.instance.id, so that two bridges overwrite each other"
    off = [
        [name for name, value in job.items() if _differs(point.attributes.get(name), value)] for job in expected.jobs
    ]
    if off and all(off):
        nearest = min(off, key=len)
        told = ", ".join(f"{name} {point.attributes.get(name)!r}" for name in nearest)
        yield f"has {told}, which no job of the ledger has"


def _of_other_instances(record: RunRecord) -> Iterator[Wrong]:
    """A bridge goes on with the series that were there, also after a restart: one instance throughout a run."""
    known: dict[object, float] = {}
    for export, point in points(record):
        known.setdefault(export.resource_of(point).get("service.instance.id"), export.t)
    for instance, t in list(known.items())[1:]:
        yield t, f"at {t:.1f} s points came from service.instance.id {instance!r}, before from {next(iter(known))!r}"


def _differs(seen: object, written: str) -> bool:
    """One that the ledger does not tell must be there all the same."""
    return seen is None or bool(written and seen != written)


def _out_of_time(point: Point, export: Export, record: RunRecord) -> Iterator[str]:
    stamped = _seconds(point.time_unix_nano, record)
    if stamped is None:
        return
    slack = _slack(record)
    if not -slack <= stamped <= export.t + slack:
        yield f"is stamped {point.time_unix_nano}, {stamped - export.t:+.1f} s from its arrival and outside of the run"
    if KINDS.get(point.metric) != "gauge" and point.start_time_unix_nano > point.time_unix_nano:
        yield f"starts {(point.start_time_unix_nano - point.time_unix_nano) / 1e9:g} s after its own time"


def _before_their_write(record: RunRecord) -> Iterator[Wrong]:
    for arrival in arrivals(record):
        stamped = _seconds(arrival.update.time_unix_nano, record)
        write = arrival.write
        if stamped is not None and write is not None and 0 <= stamped + _slack(record) < write.t:
            yield (
                arrival.t,
                f"at {arrival.t:.1f} s an update of {stamped:.1f} s shows write {write.sequence} of {write.t:.1f} s",
            )


def _after_the_next_write(record: RunRecord) -> Iterator[Wrong]:
    """What was queued keeps its own time: an update is not stamped long after another write took the place of its own.

    Where a fault kept the bridge from the file meanwhile, it may go on to show what it had.
    """
    writes, hidden = record.ledger.writes, hidden_spans(record)
    known = Counter(write.values.get(FIELDS[LOSS]) for write in writes)
    for arrival in arrivals(record):
        stamped, write, index = _seconds(arrival.update.time_unix_nano, record), arrival.write, arrival.index
        if stamped is None or write is None or index is None or index + 1 == len(writes):
            continue
        if known[write.values.get(FIELDS[LOSS])] > 1:  # which of them it shows is not known
            continue
        until = writes[index + 1].t
        kept_away = any(span.start <= stamped and span.end >= until for span in hidden)
        if stamped > until + _slack(record) and not kept_away:
            said = f"at {arrival.t:.1f} s an update of {stamped:.1f} s shows write {write.sequence}"
            yield arrival.t, f"{said}, which the next one had replaced at {until:.1f} s"


def _seconds(time_unix_nano: int, record: RunRecord) -> float | None:
    """Seconds since the run's origin; None: the record does not tell where that lies on the wall clock."""
    origin = record.meta.origin_unix_nano
    return None if origin is None else (time_unix_nano - origin) / 1e9


def _slack(record: RunRecord) -> float:
    return interval_seconds(record) + _CLOCKS_APART_SECONDS

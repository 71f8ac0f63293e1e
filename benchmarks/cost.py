"""What a record says of a bridge, as one figure for each column of the scoreboard. Pure: a record in, a number out."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, Arrival, arrivals
from harness.checks.contract import interval_seconds
from harness.checks.delivery import delivered, unmissable
from harness.checks.spans import Span, inside, process_events, stop_signal
from harness.record import RunRecord
from harness.samples import ResourceSample

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what is measured, in which scenario, and what is good."""

    key: str
    title: str
    unit: str
    scenario: str
    measure: Callable[[RunRecord], float | None]
    better: Literal["lower", "higher"] = "lower"


def rss_mib(record: RunRecord) -> float | None:
    """95th percentile of resident memory while all is steady."""
    sizes = [sample.rss_bytes / _MIB for sample in _steady(record)]
    return statistics.quantiles(sizes, n=20)[-1] if len(sizes) > 1 else None


def peak_mib(record: RunRecord) -> float | None:
    """The kernel's own high-water mark, start-up included."""
    marks = [sample.peak_rss_bytes / _MIB for sample in record.resources if sample.role == "bridge"]
    return max(marks, default=None)


def cpu_percent(record: RunRecord) -> float | None:
    """CPU time of the process tree over the whole steady phase, of one core."""
    samples = _steady(record)
    if len(samples) < 2 or samples[-1].t <= samples[0].t:  # noqa: PLR2004 - a difference needs two
        return None
    return 100 * (samples[-1].cpu_seconds - samples[0].cpu_seconds) / (samples[-1].t - samples[0].t)


def start_seconds(record: RunRecord) -> float | None:
    """From the bridge's start to its first points at the sink."""
    started = process_events(record, "bridge", "started")
    arrived = [export.t for export in record.exports if export.delivered and export.points]
    return min(arrived) - started[0].t if started and arrived else None


def latency_seconds(share: float) -> Callable[[RunRecord], float | None]:
    """From a write to its first arrival: the given share (nearest rank) of the steady phase's writes."""

    def measure(record: RunRecord) -> float | None:
        first: dict[int, float] = {}
        for arrival in arrivals(record):
            if arrival.write is not None and arrival.index is not None and inside(_spans(record), arrival.write.t):
                first.setdefault(arrival.index, max(0.0, arrival.t - arrival.write.t))
        ranked = sorted(first.values())
        return ranked[math.ceil(share * len(ranked)) - 1] if ranked else None

    return measure


def bytes_a_tick(record: RunRecord) -> float | None:
    """Bytes on the wire in both directions, for each interval of the steady phase."""
    samples = [sample for sample in record.wire if inside(_spans(record), sample.t)]
    if len(samples) < 2 or samples[-1].t <= samples[0].t:  # noqa: PLR2004 - a difference needs two
        return None
    moved = samples[-1].sent_bytes + samples[-1].received_bytes - samples[0].sent_bytes - samples[0].received_bytes
    return moved * interval_seconds(record) / (samples[-1].t - samples[0].t)


def series(record: RunRecord) -> float | None:
    """Different series of the nine metrics that reached the sink."""
    known = GAUGES.keys() | COUNTERS.keys() | HISTOGRAMS.keys()
    found = {
        (point.metric, tuple(sorted(point.attributes.items())), tuple(sorted(export.resource.items())))
        for export in record.exports
        if export.delivered
        for point in export.points
        if point.metric in known
    }
    return float(len(found)) or None


def end_seconds(record: RunRecord) -> float | None:
    """From the signal to end until the process was gone."""
    signalled = stop_signal(record)
    ends = [event.t for event in process_events(record, "bridge", "exited")]
    return ends[-1] - signalled.t if signalled and ends else None


def outage_percent(record: RunRecord) -> float | None:
    """Of the outage's writes that a reading once an interval cannot miss, those that are at the sink in the end."""
    spans = tuple(Span(phase.start, phase.end) for phase in record.phases if phase.kind == "fault")
    written = [write for write in unmissable(record) if inside(spans, write.t)]
    shown = delivered(record)
    return 100 * sum(write.sequence in shown for write in written) / len(written) if written else None


def recovery_seconds(record: RunRecord) -> float | None:
    """From the outage's end to the first points at the sink."""
    healed = [event.t for event in record.events if event.kind == "fault" and event.data.get("action") == "heal"]
    arrived = [export.t for export in record.exports if export.delivered and export.points]
    return min((t - healed[-1] for t in arrived if t >= healed[-1]), default=None) if healed else None


def fields_percent(record: RunRecord) -> float | None:
    """Of the good fields beside a bad one, those that are at the sink in the end."""
    spans = tuple(Span(phase.start, phase.end) for phase in record.phases if phase.kind == "fault")
    shown: dict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals(record):
        if arrival.write is not None:
            shown[arrival.write.sequence].append(arrival)
    good = seen = 0
    for write in unmissable(record):
        for metric, field in (GAUGES | COUNTERS | HISTOGRAMS).items():
            if inside(spans, write.t) and field in write.values:
                good += 1
                seen += any(one.update.valued(metric, write.job_id) is not None for one in shown[write.sequence])
    return 100 * seen / good if good else None


def _spans(record: RunRecord) -> tuple[Span, ...]:
    return tuple(Span(phase.start, phase.end) for phase in record.phases if phase.kind == "steady")


def _steady(record: RunRecord) -> Sequence[ResourceSample]:
    return [sample for sample in record.resources if sample.role == "bridge" and inside(_spans(record), sample.t)]


COST, SHORT, LONG, SPOILT = "cost", "outage/half-a-minute", "outage/two-minutes", "wrong-types/metrics"

COLUMNS = (
    Column("rss", "RSS", "MiB", COST, rss_mib),
    Column("peak", "peak", "MiB", COST, peak_mib),
    Column("cpu", "CPU", "% of one core", COST, cpu_percent),
    Column("start", "start to first arrival", "s", COST, start_seconds),
    Column("latency-p50", "latency p50", "s", COST, latency_seconds(0.5)),
    Column("latency-p99", "latency p99", "s", COST, latency_seconds(0.99)),
    Column("tick-bytes", "bytes a tick", "B", COST, bytes_a_tick),
    Column("series", "series", "series", COST, series),
    Column("end", "time to end", "s", COST, end_seconds),
    Column("outage-30", "delivered of a 30 s outage", "%", SHORT, outage_percent, "higher"),
    Column("outage-120", "delivered of a 120 s outage", "%", LONG, outage_percent, "higher"),
    Column("recovery-30", "first arrival after 30 s", "s", SHORT, recovery_seconds),
    Column("recovery-120", "first arrival after 120 s", "s", LONG, recovery_seconds),
    Column("fields", "good fields beside a bad one", "%", SPOILT, fields_percent, "higher"),
)
"""The columns of figures, in order."""

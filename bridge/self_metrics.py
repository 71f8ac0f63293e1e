"""What the bridge says of itself: one encoded request of its own, newest only, made right before it is sent.

`bridge.sender` asks for it when nothing waits, after a delivery or when there was none for an interval: so it is never
queued, and neither takes the place of the job's data nor stands before it. It is encoded by hand: a second provider
would cost more than the dozen numbers are worth. Names are those of OpenTelemetry's semantic conventions where these
mean the same; docs/metrics.md has them all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)
from opentelemetry.sdk.version import __version__ as sdk_version

from bridge import __version__
from bridge.delivery import Stats
from bridge.loop import Clock, LoopStats
from bridge.otlp import STATUS_NAMES
from bridge.point_time import PointTime

if TYPE_CHECKING:
    from bridge.spool import SpoolStats

SCOPE = "ml-metrics-bridge.self"
LEFT_OUT_SERIES_MAX = 50
"""Fields left out have a series for each field and reason, so many at most; all others are summed in one more."""

Kind = Literal["counter", "updowncounter", "gauge"]
Labels = Mapping[str, str | bool]


@dataclass(frozen=True, slots=True)
class SelfMetric:
    """One metric of the bridge's own: what it is, whatever its values."""

    name: str
    kind: Kind
    unit: str
    description: str


_TABLE = (
    SelfMetric("ml.bridge.file.reads", "counter", "{read}", "Looks at the metrics file, by result"),
    SelfMetric("ml.bridge.file.fields_left_out", "counter", "{field}", "Fields not carried, by field and reason"),
    SelfMetric("ml.bridge.snapshot.age", "gauge", "s", "Time since the metrics file last brought something new"),
    SelfMetric("ml.bridge.ticks.broken", "counter", "{tick}", "Ticks that ended in an unforeseen error"),
    SelfMetric("ml.bridge.queue.size", "gauge", "{request}", "Requests waiting or in flight"),
    SelfMetric("ml.bridge.queue.capacity", "gauge", "{request}", "Requests that may wait"),
    SelfMetric("ml.bridge.queue.memory.usage", "gauge", "By", "Memory of the requests waiting or in flight"),
    SelfMetric("ml.bridge.queue.memory.limit", "gauge", "By", "Memory that requests may take"),
    SelfMetric("ml.bridge.requests.delivered", "counter", "{request}", "Requests that the collector took"),
    SelfMetric("ml.bridge.requests.dropped", "counter", "{request}", "Requests given up, by reason"),
    SelfMetric("ml.bridge.points.rejected", "counter", "{data_point}", "Points left out by the collector"),
    SelfMetric("ml.bridge.exports", "counter", "{call}", "Export calls, by status code"),
    SelfMetric("ml.bridge.export.last_success.timestamp", "gauge", "s", "When the collector last took a request"),
    SelfMetric("ml.bridge.spool.size", "gauge", "{request}", "Requests on disk that have not left yet"),
    SelfMetric("ml.bridge.spool.segments", "gauge", "{file}", "Files that hold them"),
    SelfMetric("ml.bridge.spool.disk.usage", "gauge", "By", "Of these files together"),
    SelfMetric("ml.bridge.spool.disk.limit", "gauge", "By", "That they may take"),
    SelfMetric("ml.bridge.spool.requests.written", "counter", "{request}", "Requests put on disk"),
    SelfMetric("ml.bridge.spool.requests.found", "counter", "{request}", "Requests that an earlier run left on disk"),
    SelfMetric(
        "ml.bridge.spool.requests.evicted", "counter", "{request}", "Requests that are in memory alone for room"
    ),
    SelfMetric("ml.bridge.spool.damaged", "counter", "{record}", "Records of an earlier run that could not be read"),
    SelfMetric("ml.bridge.spool.torn", "counter", "{file}", "Files of an earlier run with an unfinished end"),
    SelfMetric("ml.bridge.spool.failures", "counter", "{failure}", "Times that the disk refused"),
    SelfMetric("ml.bridge.build.info", "gauge", "", "1, with the versions as attributes"),
    SelfMetric("process.cpu.time", "counter", "s", "Total CPU seconds broken down by different CPU modes"),
    SelfMetric("process.memory.usage", "updowncounter", "By", "The amount of physical memory in use"),
    SelfMetric("process.uptime", "gauge", "s", "The time the process has been running"),
)
METRICS = {metric.name: metric for metric in _TABLE}


@dataclass(frozen=True, slots=True)
class Process:
    """What the process took of the machine so far."""

    user_seconds: float
    system_seconds: float
    resident_bytes: int


def this_process() -> Process:
    """Ask the system; CPU times count in hundredths of a second."""
    times = os.times()
    resident_pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return Process(times.user, times.system, resident_pages * os.sysconf("SC_PAGE_SIZE"))


class SelfMetrics:
    """Gives the newest figures, encoded, when they are due.

    Args:
        resource: the same as of the job's metrics.
        loop: the figures of all that reads.
        sender: the figures of all that delivers.
        spool: the figures of the disk; None: there is no spool.
        clock: the bridge's.
        every_seconds: the least time from one to the next.
        began_seconds: when the bridge began, on the monotonic clock.
        began_unix_nano: the same moment on the wall clock.
        process: what the process took.
    """

    def __init__(
        self,
        *,
        resource: Mapping[str, str],
        loop: Callable[[], LoopStats],
        sender: Callable[[], Stats],
        spool: Callable[[], SpoolStats] | None = None,
        clock: Clock,
        every_seconds: float,
        began_seconds: float,
        began_unix_nano: int,
        process: Callable[[], Process] = this_process,
    ) -> None:
        self._resource = resource
        self._loop = loop
        self._sender = sender
        self._spool = spool
        self._clock = clock
        self._every_seconds = every_seconds
        self._process = process
        self._began_seconds = began_seconds
        self._began_unix_nano = began_unix_nano
        self._point_time = PointTime(clock, began_seconds, began_unix_nano)
        self._asked_at: float | None = None

    def when_due(self) -> bytes | None:
        """One serialized ExportMetricsServiceRequest, or None for not yet."""
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < self._every_seconds:
            return None
        self._asked_at = now
        return self.encoded()

    def encoded(self) -> bytes:
        """All figures of this moment as one serialized ExportMetricsServiceRequest."""
        request = ExportMetricsServiceRequest()
        of_resource = request.resource_metrics.add()
        of_resource.resource.attributes.extend(_pairs(self._resource))
        scope = of_resource.scope_metrics.add()
        scope.scope.name, scope.scope.version = SCOPE, __version__
        now = self._point_time.now_unix_nano()
        metrics: dict[str, Metric] = {}
        for name, value, labels in self._figures():
            metric = metrics.get(name) or metrics.setdefault(name, _add(scope, METRICS[name]))
            point = NumberDataPoint(attributes=_pairs(labels), time_unix_nano=now)
            setattr(point, "as_int" if isinstance(value, int) else "as_double", value)
            if metric.HasField("sum"):
                point.start_time_unix_nano = self._began_unix_nano
                metric.sum.data_points.append(point)
            else:
                metric.gauge.data_points.append(point)
        encoded: bytes = request.SerializeToString()
        return encoded

    def _figures(self) -> Iterator[tuple[str, float, Labels]]:
        now = self._clock.monotonic()
        yield from _of_reading(self._loop(), now)
        stats = self._sender()
        yield from _of_delivery(stats)
        if stats.last_delivery_at is not None:
            at = self._clock.time_ns() / 1e9 - (now - stats.last_delivery_at)
            yield "ml.bridge.export.last_success.timestamp", at, {}
        if self._spool is not None:
            yield from _of_spool(self._spool())
        process = self._process()
        yield "process.cpu.time", process.user_seconds, {"cpu.mode": "user"}
        yield "process.cpu.time", process.system_seconds, {"cpu.mode": "system"}
        yield "process.memory.usage", process.resident_bytes, {}
        yield "process.uptime", now - self._began_seconds, {}
        yield "ml.bridge.build.info", 1, _VERSIONS


_VERSIONS = {
    "service.version": __version__,
    "process.runtime.version": ".".join(map(str, sys.version_info[:3])),
    "telemetry.sdk.version": sdk_version,
}


def _of_reading(loop: LoopStats, now: float) -> Iterator[tuple[str, float, Labels]]:
    for result, count in loop.reads.items():
        yield "ml.bridge.file.reads", count, {"result": result}
    left_out = loop.left_out.items()  # in the order in which they were first seen, which never changes
    for field, count in islice(left_out, LEFT_OUT_SERIES_MAX):
        yield "ml.bridge.file.fields_left_out", count, {"field": field.field, "reason": field.reason}
    if len(left_out) > LEFT_OUT_SERIES_MAX:
        others = sum(count for _, count in islice(left_out, LEFT_OUT_SERIES_MAX, None))
        yield "ml.bridge.file.fields_left_out", others, {"otel.metric.overflow": True}
    if loop.news_at_seconds is not None:
        yield "ml.bridge.snapshot.age", now - loop.news_at_seconds, {}
    yield "ml.bridge.ticks.broken", loop.broken_ticks, {}


def _of_delivery(stats: Stats) -> Iterator[tuple[str, float, Labels]]:
    yield "ml.bridge.queue.size", stats.queue_count, {}
    yield "ml.bridge.queue.capacity", stats.queue_count_max, {}
    yield "ml.bridge.queue.memory.usage", stats.queue_bytes, {}
    yield "ml.bridge.queue.memory.limit", stats.queue_bytes_max, {}
    yield "ml.bridge.requests.delivered", stats.delivered, {}
    for reason, count in stats.dropped.items():
        yield "ml.bridge.requests.dropped", count, {"reason": reason}
    yield "ml.bridge.points.rejected", stats.rejected_points, {}
    for status, count in stats.calls.items():
        answered = status in STATUS_NAMES
        yield "ml.bridge.exports", count, {"rpc.response.status_code" if answered else "error.type": status}


def _of_spool(stats: SpoolStats) -> Iterator[tuple[str, float, Labels]]:
    yield "ml.bridge.spool.size", stats.count, {}
    yield "ml.bridge.spool.segments", stats.segments, {}
    yield "ml.bridge.spool.disk.usage", stats.bytes, {}
    yield "ml.bridge.spool.disk.limit", stats.bytes_max, {}
    yield "ml.bridge.spool.requests.written", stats.written, {}
    yield "ml.bridge.spool.requests.found", stats.found, {}
    yield "ml.bridge.spool.requests.evicted", stats.evicted, {}
    yield "ml.bridge.spool.damaged", stats.damaged, {}
    yield "ml.bridge.spool.torn", stats.torn, {}
    yield "ml.bridge.spool.failures", stats.failures, {}


def _add(scope: ScopeMetrics, told: SelfMetric) -> Metric:
    metric: Metric = scope.metrics.add(name=told.name, unit=told.unit, description=told.description)
    if told.kind == "gauge":
        metric.gauge.SetInParent()
    else:
        metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = told.kind == "counter"
    return metric


def _pairs(labels: Labels) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(bool_value=value) if isinstance(value, bool) else AnyValue(string_value=value))
        for key, value in labels.items()
    ]

"""What the bridge says of itself: each figure under its name, no oftener than asked, in a bounded number of series."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.semconv._incubating.metrics import process_metrics

import bridge
from bridge import errors, outbox, self_metrics
from bridge.delivery import Bounds, Delivery, Stats
from bridge.loop import Clock, LoopStats
from bridge.otlp import STATUS_NAMES
from bridge.self_metrics import LEFT_OUT_SERIES_MAX, METRICS, Process, SelfMetrics
from bridge.snapshot import LeftOut
from bridge.spool import SpoolStats

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
RESOURCE = {"service.name": "job", "service.instance.id": "pod-1"}
BEGAN_UNIX_NANO = 1_729_593_000 * 10**9

READ_RESULTS = ("new", "unchanged", "no-snapshot", "missing", "unreadable", "not-a-file", "too-large", "changing")
SERIES_MAX = 8 + (LEFT_OUT_SERIES_MAX + 1) + 1 + 1 + 4 + 1 + len(outbox.DROP_REASONS) + 1 + 19 + 1 + 10 + 1 + 2 + 1 + 1
"""In the order of `self_metrics.METRICS`."""

LOOP = LoopStats(
    reads={"new": 3, "unchanged": 7},
    left_out={LeftOut("training_metrics.accuracy", "text"): 2},
    broken_ticks=0,
    ticked_at_seconds=99.0,
    news_at_seconds=95.0,
    trouble=None,
)
STATS = (
    Delivery(Bounds(), None)
    .stats()
    ._replace(  # type: ignore[arg-type]  # nothing is drawn
        put=12,
        delivered=10,
        rejected_points=4,
        calls={"OK": 9, "UNAVAILABLE": 2, "NO_ANSWER": 1},
        queue_count=2,
        queue_bytes=960,
        last_delivery_at=98.0,
    )
)


SPOOL = SpoolStats(
    written=30,
    found=4,
    damaged=3,
    torn=1,
    evicted=7,
    count=12,
    segments=2,
    bytes=4800,
    bytes_max=65536,
    failures=5,
)


class Bench:
    """Figures that the test sets, on a clock that it moves."""

    def __init__(self, loop: LoopStats = LOOP, stats: Stats = STATS, *, spool: bool = True) -> None:
        self.now = 100.0
        self.leap_seconds = 0.0  # of the wall clock
        self.loop, self.stats = loop, stats
        self.asked = 0
        self.made = SelfMetrics(
            resource=RESOURCE,
            loop=lambda: self.loop,
            sender=self.sender,
            spool=(lambda: SPOOL) if spool else None,
            clock=Clock(lambda: self.now, self.time_ns),
            every_seconds=60,
            began_seconds=90.0,
            began_unix_nano=BEGAN_UNIX_NANO,
            process=lambda: Process(1.25, 0.5, 25 * 2**20),
        )

    def time_ns(self) -> int:
        return BEGAN_UNIX_NANO + int((self.now - 90 + self.leap_seconds) * 1e9)

    def sender(self) -> Stats:
        self.asked += 1
        return self.stats

    def request(self) -> ExportMetricsServiceRequest:
        return ExportMetricsServiceRequest.FromString(self.made.encoded())

    def series(self) -> dict[tuple[str, tuple[tuple[str, object], ...]], float]:
        found = {}
        for metric in self.request().resource_metrics[0].scope_metrics[0].metrics:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                labels = [(pair.key, getattr(pair.value, pair.value.WhichOneof("value"))) for pair in point.attributes]
                key = (metric.name, tuple(sorted(labels)))
                assert key not in found, "a series twice"
                found[key] = getattr(point, point.WhichOneof("value"))
        return found


def rows() -> list[list[str]]:
    part = DOCUMENT.split("\n## The bridge's own\n")[1].split("\n## ")[0]
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("| `")
    ]


def test_each_figure_stands_under_its_name():
    series = Bench().series()
    version = (
        ("process.runtime.version", self_metrics._VERSIONS["process.runtime.version"]),
        ("service.version", bridge.__version__),
        ("telemetry.sdk.version", self_metrics._VERSIONS["telemetry.sdk.version"]),
    )
    assert series == {
        ("ml.bridge.file.reads", (("result", "new"),)): 3,
        ("ml.bridge.file.reads", (("result", "unchanged"),)): 7,
        ("ml.bridge.file.fields_left_out", (("field", "training_metrics.accuracy"), ("reason", "text"))): 2,
        ("ml.bridge.snapshot.age", ()): 5,
        ("ml.bridge.ticks.broken", ()): 0,
        ("ml.bridge.queue.size", ()): 2,
        ("ml.bridge.queue.capacity", ()): Bounds().count,
        ("ml.bridge.queue.memory.usage", ()): 960,
        ("ml.bridge.queue.memory.limit", ()): Bounds().bytes,
        ("ml.bridge.requests.delivered", ()): 10,
        **{("ml.bridge.requests.dropped", (("reason", reason),)): 0 for reason in outbox.DROP_REASONS},
        ("ml.bridge.points.rejected", ()): 4,
        ("ml.bridge.exports", (("rpc.response.status_code", "OK"),)): 9,
        ("ml.bridge.exports", (("rpc.response.status_code", "UNAVAILABLE"),)): 2,
        ("ml.bridge.exports", (("error.type", "NO_ANSWER"),)): 1,
        ("ml.bridge.export.last_success.timestamp", ()): BEGAN_UNIX_NANO / 1e9 + 8,
        ("ml.bridge.spool.size", ()): 12,
        ("ml.bridge.spool.segments", ()): 2,
        ("ml.bridge.spool.disk.usage", ()): 4800,
        ("ml.bridge.spool.disk.limit", ()): 65536,
        ("ml.bridge.spool.requests.written", ()): 30,
        ("ml.bridge.spool.requests.found", ()): 4,
        ("ml.bridge.spool.requests.evicted", ()): 7,
        ("ml.bridge.spool.damaged", ()): 3,
        ("ml.bridge.spool.torn", ()): 1,
        ("ml.bridge.spool.failures", ()): 5,
        ("ml.bridge.build.info", version): 1,
        ("process.cpu.time", (("cpu.mode", "user"),)): 1.25,
        ("process.cpu.time", (("cpu.mode", "system"),)): 0.5,
        ("process.memory.usage", ()): 25 * 2**20,
        ("process.uptime", ()): 10,
    }


def test_before_the_first_snapshot_and_delivery_their_figures_are_absent():
    names = {
        name for name, _ in Bench(LOOP._replace(news_at_seconds=None), STATS._replace(last_delivery_at=None)).series()
    }
    assert METRICS.keys() - names == {"ml.bridge.snapshot.age", "ml.bridge.export.last_success.timestamp"}


def test_without_a_spool_its_figures_are_absent():
    names = {name for name, _ in Bench(spool=False).series()}
    assert METRICS.keys() - names == {name for name in METRICS if name.startswith("ml.bridge.spool.")}


def test_counters_are_cumulative_since_the_bridge_began_and_gauges_have_no_start():
    request = Bench().request()
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        told = METRICS[metric.name]
        assert (metric.unit, metric.description) == (told.unit, told.description)
        kind = metric.WhichOneof("data")
        assert kind == ("gauge" if told.kind == "gauge" else "sum")
        for point in getattr(metric, kind).data_points:
            assert point.time_unix_nano == BEGAN_UNIX_NANO + 10 * 10**9
            assert point.start_time_unix_nano == (BEGAN_UNIX_NANO if kind == "sum" else 0)
        if kind == "sum":
            assert metric.sum.is_monotonic == (told.kind == "counter")
            assert metric.sum.aggregation_temporality == 2


def test_points_go_on_in_time_where_the_wall_clock_is_set_back():
    bench = Bench()
    for now, leap_seconds, told_seconds in ((100.0, 0.0, 10), (110.0, 0.0, 20), (120.0, -3600.0, 25)):
        bench.now, bench.leap_seconds = now, leap_seconds
        (metric, *_) = bench.request().resource_metrics[0].scope_metrics[0].metrics
        point = metric.sum.data_points[0]
        assert point.time_unix_nano == BEGAN_UNIX_NANO + told_seconds * 10**9
        assert point.start_time_unix_nano == BEGAN_UNIX_NANO


def test_the_resource_is_the_jobs_and_the_scope_its_own():
    (of_resource,) = Bench().request().resource_metrics
    assert {pair.key: pair.value.string_value for pair in of_resource.resource.attributes} == RESOURCE
    assert of_resource.scope_metrics[0].scope.name == "ml-metrics-bridge.self"


def test_they_are_given_once_an_interval_and_are_the_newest_then():
    bench = Bench()
    assert bench.made.when_due() is not None
    bench.now += 59.9
    assert bench.made.when_due() is None
    assert bench.asked == 1, "what is not due is not even asked for"
    bench.now += 0.2
    bench.stats = STATS._replace(delivered=99)
    encoded = bench.made.when_due()
    assert encoded is not None
    assert b"ml.bridge.requests.delivered" in encoded
    assert bench.series()["ml.bridge.requests.delivered", ()] == 99


def everything() -> Bench:
    """All that there can ever be, and more fields left out than a table has."""
    fields = {LeftOut(f"section.field_{n}", "out-of-range"): 1 for n in range(5000)}
    calls = dict.fromkeys((*STATUS_NAMES, "NO_ANSWER", "INTERNAL_ERROR"), 1)
    return Bench(
        LOOP._replace(reads=dict.fromkeys(READ_RESULTS, 1), left_out=fields),
        STATS._replace(calls=calls),
    )


def test_there_are_so_many_series_and_never_one_more():
    series = everything().series()
    assert len(series) == SERIES_MAX <= 110
    assert series["ml.bridge.file.fields_left_out", (("otel.metric.overflow", True),)] == 5000 - LEFT_OUT_SERIES_MAX
    assert len(everything().made.encoded()) < 10_000


def test_the_results_of_a_look_are_all_there_are():
    kinds = {kind.kind for kind in (errors.SnapshotError, errors.MetricsFileError)}
    kinds |= {kind.kind for kind in errors.MetricsFileError.__subclasses__()}
    assert kinds | {"new", "unchanged"} == set(READ_RESULTS)


def test_a_series_keeps_its_place_when_more_fields_are_left_out():
    bench = everything()
    before = bench.series().keys()
    bench.loop = bench.loop._replace(left_out={**bench.loop.left_out, LeftOut("one.more", "nan"): 1})
    assert bench.series().keys() == before


def test_the_names_of_the_process_are_those_of_the_semantic_conventions():
    told = {name for name in METRICS if not name.startswith("ml.bridge.")}
    assert told <= {value for name, value in vars(process_metrics).items() if name.startswith("PROCESS_")}


def test_no_name_is_one_of_the_jobs():
    assert not [name for name in METRICS if name.startswith(("ml.training.", "ml.validation."))]


def test_the_document_names_each_with_kind_unit_and_prometheus_name():
    units = {"s": "_seconds", "By": "_bytes"}
    assert [row[:4] for row in rows()] == [
        [
            metric.name,
            metric.kind,
            metric.unit,
            metric.name.replace(".", "_") + units.get(metric.unit, "") + "_total" * (metric.kind == "counter"),
        ]
        for metric in METRICS.values()
    ]


def test_the_document_says_how_many_series_there_can_be():
    assert "at most 110 series" in " ".join(DOCUMENT.split())


def test_the_process_is_asked_for_real():
    process = self_metrics.this_process()
    assert process.user_seconds > 0
    assert 2**20 < process.resident_bytes < 2**40


def test_the_document_names_every_result_and_every_reason_for_a_drop():
    told = {row[0]: set(row[4].split("`")) for row in rows()}
    assert told["ml.bridge.file.reads"] >= set(READ_RESULTS)
    assert told["ml.bridge.requests.dropped"] >= set(outbox.DROP_REASONS)

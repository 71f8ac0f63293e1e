from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from harness.control import Control, ControlError
from harness.observers.otlp_points import points_of
from harness.processes import Process
from harness.waiting import wait_until

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


def request(loss: float = 0.5) -> ExportMetricsServiceRequest:
    built = ExportMetricsServiceRequest()
    resource_metrics = built.resource_metrics.add()
    resource_metrics.resource.attributes.add(key="service.name").value.string_value = "b"
    metric = resource_metrics.scope_metrics.add().metrics.add(name="ml.training.loss")
    point = metric.gauge.data_points.add(time_unix_nano=5, as_double=loss)
    point.attributes.add(key="job.id").value.string_value = "j"
    return built


@dataclass(frozen=True)
class SinkUnderTest:
    process: Process
    control: Control
    channel: grpc.Channel
    out: Path

    def export(self, message: bytes, seconds: float = 5.0) -> str:
        """Call it; gives the status."""
        try:
            self.channel.unary_unary(EXPORT)(message, timeout=seconds)
        except grpc.RpcError as problem:
            return problem.code().name
        return "OK"

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]


@pytest.fixture
def sink(start_observer: Callable[..., tuple[Process, Control, int]], tmp_path: Path):
    out = tmp_path / "exports.jsonl"
    process, control, port = start_observer("sink", "--out", str(out))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield SinkUnderTest(process, control, channel, out)


def test_a_call_is_written_down_with_its_points(sink: SinkUnderTest):
    message = request().SerializeToString()
    assert sink.export(message) == "OK"
    (line,) = sink.lines()
    assert (line["answered"], line["request_bytes"], line["resource"]) == ("OK", len(message), {"service.name": "b"})
    assert line["points"] == [
        {
            "metric": "ml.training.loss",
            "kind": "gauge",
            "value": 0.5,
            "time_unix_nano": 5,
            "start_time_unix_nano": 0,
            "attributes": {"job.id": "j"},
            "unit": "",
        }
    ]
    state = sink.control.ask("state")
    assert (state["calls"], state["delivered"], state["points"]) == (1, 1, 1)
    assert state["first_point_t"] == line["t"]


def test_a_call_without_points_does_not_count_as_a_metric_seen(sink: SinkUnderTest):
    assert sink.export(b"") == "OK"
    assert sink.control.ask("state")["first_point_t"] is None


def test_every_kind_of_point_is_decoded():
    built = request()
    metrics = built.resource_metrics[0].scope_metrics[0].metrics
    metrics.add(name="s").sum.data_points.add(as_int=7, start_time_unix_nano=2)
    metrics.add(name="h").histogram.data_points.add(count=3, sum=1.5)
    ended = metrics.add(name="e").gauge.data_points.add()
    ended.flags = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
    _, points = points_of(built.SerializeToString())
    assert [
        (p["metric"], p["kind"], p["value"], p.get("count"), p.get("no_recorded_value", False)) for p in points
    ] == [
        ("ml.training.loss", "gauge", 0.5, None, False),
        ("s", "sum", 7, None, False),
        ("h", "histogram", 1.5, 3, False),
        ("e", "gauge", None, None, True),
    ]


def test_unit_temporality_and_monotonicity_come_with_each_point():
    built = request()
    metrics = built.resource_metrics[0].scope_metrics[0].metrics
    metrics.add(name="s").sum.data_points.add(as_int=7)
    metrics[-1].sum.is_monotonic = True
    metrics[-1].sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    metrics.add(name="h", unit="ms").histogram.data_points.add(count=3, sum=1.5)
    metrics[-1].histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    _, points = points_of(built.SerializeToString())
    assert [(p["unit"], p.get("temporality"), p.get("monotonic")) for p in points] == [
        ("", None, None),
        ("", "cumulative", True),
        ("ms", "delta", None),
    ]


def test_told_to_be_unavailable_it_answers_so_and_takes_nothing(sink: SinkUnderTest):
    sink.control.ask("decide", {"decision": "status", "parameters": {"code": "UNAVAILABLE"}})
    assert sink.export(request().SerializeToString()) == "UNAVAILABLE"
    assert [(line["answered"], line["points"]) for line in sink.lines()] == [("UNAVAILABLE", [])]
    assert sink.control.ask("decide", {"decision": "ok"})["points"] == 0
    assert sink.export(request().SerializeToString()) == "OK"


def test_told_to_hang_it_never_answers_and_others_are_served_after(sink: SinkUnderTest):
    sink.control.ask("decide", {"decision": "hang"})
    assert sink.export(request().SerializeToString(), 0.3) == "DEADLINE_EXCEEDED"
    wait_until(lambda: bool(sink.lines()), within=5, what="the hung call is written down")
    assert [(line["answered"], line["points"]) for line in sink.lines()] == [("HANG", [])]
    sink.control.ask("decide", {"decision": "ok"})
    assert sink.export(request().SerializeToString()) == "OK"


def test_bytes_that_are_no_request_are_an_internal_error_as_in_the_collector(sink: SinkUnderTest):
    assert sink.export(b"\xff\xff\xff") == "INTERNAL"
    assert sink.lines()[0]["answered"] == "INTERNAL"


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "dance"},
        {"decision": "status", "parameters": {"code": "OK"}},
        {"decision": "ok", "parameters": {"x": 1}},
    ],
)
def test_a_decision_that_there_is_not_is_refused_and_the_old_one_holds(sink: SinkUnderTest, wrong: dict[str, Any]):
    with pytest.raises(ControlError, match="refused"):
        sink.control.ask("decide", wrong)
    assert sink.export(request().SerializeToString()) == "OK"


def test_it_ends_when_its_control_channel_closes(sink: SinkUnderTest):
    sink.control.close()
    ended = sink.process.wait(5)
    assert ended is not None
    assert ended.code == 0

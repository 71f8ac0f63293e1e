"""What each decision of the sink answers, without a server."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from harness.observers import decisions
from harness.observers.decisions import NO_ANSWER, POISON_UNIX_NANO, UPDATE_METRIC
from harness.observers.sink import forget_torn_line

NEVER = threading.Event()
GONE = threading.Event()
GONE.set()


def request(*times: int, metric: str = UPDATE_METRIC) -> bytes:
    built = ExportMetricsServiceRequest()
    for time_unix_nano in times:
        point = built.resource_metrics.add().scope_metrics.add().metrics.add(name=metric).gauge.data_points.add()
        point.time_unix_nano = time_unix_nano
    return built.SerializeToString()


def test_a_slow_sink_takes_a_call_after_its_time_and_none_whose_caller_is_gone():
    slow = decisions.decision("slow", {"seconds": 0.05})
    began = time.monotonic()
    assert slow.decide(request(5), NEVER).code == "OK"
    assert time.monotonic() - began >= 0.05
    assert slow.decide(request(5), GONE).code == NO_ANSWER


def test_a_late_acknowledgement_is_taken_at_once():
    answer = decisions.decision("late-acknowledgement", {"seconds": 9.0}).decide(request(5), NEVER)
    assert (answer.code, answer.late_seconds) == ("OK", 9.0)


def test_exhausted_says_when_to_come_again_in_the_trailer_and_in_the_record():
    answer = decisions.decision("exhausted", {"retry_after_seconds": 2.5}).decide(request(5), NEVER)
    assert (answer.code, answer.retry_after_seconds) == ("RESOURCE_EXHAUSTED", 2.5)
    ((name, details),) = answer.trailers
    assert name == "grpc-status-details-bin"
    assert b"google.rpc.RetryInfo" in details


def test_the_nth_new_update_is_poison_in_whatever_call_it_comes():
    poison = decisions.decision("poison", {"nth": 3})
    codes = [poison.decide(request(*times), NEVER).code for times in ((10,), (10,), (20,), (20, 30, 40), (30,), (40,))]
    assert codes == ["OK", "OK", "OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "OK"]


def test_trying_out_the_poison_does_not_count():
    poison = decisions.decision("poison", {"nth": 1})
    assert poison.decide(request(POISON_UNIX_NANO), NEVER).code == "INVALID_ARGUMENT"
    assert poison.decide(request(), NEVER).code == "OK"
    assert poison.decide(b"no request", NEVER).code == "OK"
    assert poison.decide(request(7, metric="another"), NEVER).code == "OK"
    assert poison.decide(request(50), NEVER).code == "INVALID_ARGUMENT"
    assert poison.decide(request(60), NEVER).code == "OK"


def test_a_partial_success_counts_what_it_leaves_out():
    answer = decisions.decision("partial", {"metric": "left.out"}).decide(request(5, 6, metric="left.out"), NEVER)
    partial = ExportMetricsServiceResponse.FromString(answer.body).partial_success
    assert (answer.code, partial.rejected_data_points, answer.left_out) == ("OK", 2, {"left.out"})


@pytest.mark.parametrize(
    ("name", "parameters"), [("poison", {"nth": 0}), ("slow", {}), ("slow", {"secnds": 1}), ("odd", {})]
)
def test_a_decision_that_cannot_be_made_is_an_error(name: str, parameters: dict[str, object]):
    with pytest.raises(ValueError, match=r".+"):
        decisions.decision(name, parameters)


@pytest.mark.parametrize(
    ("before", "after"), [(b'{"t":1}\n{"t":2', b'{"t":1}\n'), (b'{"t":1}\n', b'{"t":1}\n'), (b'{"t"', b""), (b"", b"")]
)
def test_a_line_that_a_killed_sink_left_half_written_is_forgotten(tmp_path: Path, before: bytes, after: bytes):
    path = tmp_path / "exports.jsonl"
    path.write_bytes(before)
    forget_torn_line(path)
    assert path.read_bytes() == after


def test_a_sink_that_begins_has_nothing_to_forget(tmp_path: Path):
    forget_torn_line(tmp_path / "exports.jsonl")
    assert not (tmp_path / "exports.jsonl").exists()

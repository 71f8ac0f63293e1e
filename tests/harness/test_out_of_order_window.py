"""Why the back end has an out-of-order window: without it a backlog of hours is refused, however orderly it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from harness import programs
from harness.child_environment import child_environment
from harness.observers.prometheus import Prometheus
from harness.ports import HOST, HeldPort
from harness.processes import Processes
from harness.programs import PROMETHEUS
from harness.rigs import real_prometheus
from harness.rigs.real_prometheus import RealPrometheus
from harness.waiting import Patience, wait_until

PROGRAM = programs.find(PROMETHEUS, programs.folders())
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no prometheus: nox -s tools builds it")

WINDOW = "out_of_order_time_window: 36h"
HOURS = 3
"""Further back than the hour that a head block reaches."""


@pytest.fixture
def started(processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], int]]:
    """Start Prometheus with the rig's own configuration, with or without its window; gives its port."""
    held: list[HeldPort] = []

    def start(window: bool) -> int:
        data = tmp_path / "data"
        data.mkdir()
        given = (real_prometheus.DATA / "prometheus.yaml").read_text(encoding="utf-8")
        assert WINDOW in given
        (data / "prometheus.yaml").write_text(
            given if window else given.replace(WINDOW, "out_of_order_time_window: 0s")
        )
        monkeypatch.setattr(real_prometheus, "DATA", data)
        port = HeldPort()
        held.append(port)
        assert PROGRAM is not None
        real = RealPrometheus(tmp_path, HOST, port.number)
        command = real.command(
            PROGRAM, f"{HOST}:{port.number}"
        )  # it scrapes itself, so that its newest sample is of now
        process = processes.start("prometheus", command, env=child_environment({}), log=tmp_path / "prometheus.log")
        real.until_ready(process, Patience(threading.Event()))
        return port.number

    yield start
    for port in held:
        port.close()


def backlog(now: float) -> list[ExportMetricsServiceRequest]:
    """What a bridge sends after an outage: in order, each update with its own time, hours ago."""
    requests_ = []
    for step in range(20):
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.add(key="service.name").value.string_value = "bridge"
        resource.resource.attributes.add(key="service.instance.id").value.string_value = "pod"
        metric = resource.scope_metrics.add().metrics.add(name="ml.training.loss")
        at = int((now - HOURS * 3600 + 60 * step) * 1e9)
        metric.gauge.data_points.add(time_unix_nano=at, as_double=1.0 / (step + 1))
        requests_.append(request)
    return requests_


def held_after_backlog(port: int) -> tuple[list[int], int]:
    """Send the backlog once something of now is held; gives the answers, and how many of its points are there."""
    asked = Prometheus(HOST, port)
    wait_until(lambda: bool(asked.query("up")), within=20, what="a sample of now")
    with requests.Session() as http:
        http.trust_env = False
        answers = [
            http.post(
                f"http://{HOST}:{port}/api/v1/otlp/v1/metrics",
                data=request.SerializeToString(),
                headers={"Content-Type": "application/x-protobuf"},
                timeout=5,
            ).status_code
            for request in backlog(time.time())
        ]
    held = asked.query("ml_training_loss[6h]")
    return answers, sum(len(found.samples) for found in held)


def test_with_the_window_a_backlog_of_hours_is_all_there(started: Callable[[bool], int]):
    answers, held = held_after_backlog(started(True))
    assert set(answers) == {200}
    assert held == 20


def test_without_the_window_a_backlog_of_hours_is_refused(started: Callable[[bool], int]):
    answers, held = held_after_backlog(started(False))
    assert held == 0
    assert 200 not in answers

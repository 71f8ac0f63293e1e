"""What goes wrong around a bridge in a container: the file missing, the file malformed, the Collector away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from harness.waiting import wait_until
from tests.e2e.stack import FILE, Stack

LOSS = 'ml_training_loss{instance="bridge"}'
TOTAL = 'ml_training_processing_time_milliseconds_count{instance="bridge"}'
OUTAGE_WRITES = 20
LATE_SECONDS = 24 * 3600


@pytest.fixture
def quiet_job(stack: Stack) -> Iterator[Stack]:
    """The job stands still, so that what is done to its file stays."""
    stack.until_fresh("bridge", within=60)
    with stack.frozen("job"):
        yield stack


def until_well_again(stack: Stack, before: object) -> None:
    """The job writes again and that is seen, and the bridge is the process that it was."""
    stack("kill --signal CONT job")
    stack.until_fresh("bridge", within=40)
    assert stack.ending("bridge") == before
    assert stack.health("bridge") == "healthy"


def test_a_missing_file_ends_the_gauges_and_not_the_bridge(quiet_job: Stack):
    before = quiet_job.ending("bridge")
    quiet_job.inside("job", "rm", "-f", FILE)
    quiet_job.until_gone(LOSS, within=40)
    assert quiet_job.prometheus().query(TOTAL), "totals go on"
    until_well_again(quiet_job, before)


def test_malformed_json_ends_the_gauges_with_one_error_line_and_not_the_bridge(quiet_job: Stack):
    before = quiet_job.ending("bridge")
    errors = sum("ERROR" in line for line in quiet_job.log("bridge"))
    quiet_job.inside("job", "sh", "-c", f"cat > {FILE}", stdin='{"timestamp": "2024-10-22T10:3')
    quiet_job.until_gone(LOSS, within=40)
    said = [line for line in quiet_job.log("bridge") if "ERROR" in line]
    assert len(said) == errors + 1, said
    assert "JSON" in said[-1], said
    until_well_again(quiet_job, before)


@pytest.fixture(scope="module")
def both_ways(stack: Stack) -> Iterator[Stack]:
    """The profile in which Prometheus gets everything by OTLP and scraped."""
    stack("--profile otlp up --wait --wait-timeout 120")
    yield stack
    stack.away("bridge-otlp", "collector-otlp", "prometheus-otlp")


def test_a_collector_that_is_stopped_and_started_again_costs_no_write_of_the_job(
    both_ways: Stack, figure: Callable[[str], None]
):
    """Both ways to Prometheus side by side: the scrape shows the gap, OTLP does not."""
    stack = both_ways
    stack.until_fresh("bridge-otlp", within=60, service="prometheus-otlp")
    before = stack.ending("bridge-otlp")
    stack("stop --timeout 5 collector collector-otlp")
    went = time.monotonic()
    during = wait_for_writes(stack, OUTAGE_WRITES)
    assert stack.health("bridge") == stack.health("bridge-otlp") == "healthy"
    stack("start collector collector-otlp")
    back = time.monotonic()
    stack.until_fresh("bridge", within=40)
    stack.until_fresh("bridge-otlp", within=40, service="prometheus-otlp")
    recovered = time.monotonic()
    assert stack.ending("bridge-otlp") == before

    wait_until(
        lambda: during <= seen(stack, ""), within=40, every=0.5, what="every loss of the outage in Prometheus by OTLP"
    )
    scraped = during & seen(stack, "scrape")
    assert len(scraped) <= len(during) / 5, "the outage was none: the scrape has what was written in it"
    figure(
        f"Collector away for {back - went:.0f} s: {len(during)} writes of the job; in Prometheus by OTLP"
        f" {len(during & seen(stack, ''))}, scraped {len(scraped)}; new values within {recovered - back:.1f} s"
    )


def test_prometheus_takes_what_comes_hours_late(both_ways: Stack):
    """Without its out-of-order window it would refuse what is more than an hour older than the newest of any series."""
    stack = both_ways
    stack.until_fresh("bridge-otlp", within=60, service="prometheus-otlp")
    late = time.time() - LATE_SECONDS
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="late")
    metric.gauge.data_points.add(as_double=0.5, time_unix_nano=int(late * 1e9))
    answer = requests.post(
        f"http://127.0.0.1:{stack.port('prometheus-otlp', 9090)}/api/v1/otlp/v1/metrics",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    (found,) = stack.prometheus("prometheus-otlp").query("late", at=late + 1)
    assert found.samples[0][1] == 0.5


def wait_for_writes(stack: Stack, count: int) -> set[float]:
    """The next so many losses that the job writes."""
    known = set(stack.writes())
    wait_until(lambda: len(stack.writes()) >= len(known) + count, within=3 * count, every=0.5, what=f"{count} writes")
    return set(stack.writes()) - known


def seen(stack: Stack, way: str) -> set[float]:
    """All losses that Prometheus holds from one way."""
    found = stack.prometheus("prometheus-otlp").query(f'ml_training_loss{{way="{way}"}}[1h]')
    return {value for one in found for _, value in one.samples}

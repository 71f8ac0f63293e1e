"""README's path: `docker compose up --build --wait`, and the job's loss is in Prometheus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests

from harness.waiting import wait_until
from tests.e2e.engine import inspect
from tests.e2e.stack import Stack

ROOT = Path(__file__).parents[2]


def test_the_loss_is_in_prometheus_with_its_labels(stack: Stack):
    stack.until_fresh("bridge", within=60)
    (loss,) = stack.prometheus().query('ml_training_loss{instance="bridge"}')
    labels = {name: value for name, value in loss.labels.items() if not name.startswith("otel_scope_")}
    assert labels == {
        "__name__": "ml_training_loss",
        "job": "ml-metrics-bridge",
        "instance": "bridge",
        "job_id": "training-job-123",
        "model_name": "resnet-50",
        "dataset": "imagenet",
    }


def test_every_container_is_bound_as_the_manifests_have_it(stack: Stack):
    for container in stack("ps --all --quiet").split():
        said = inspect(container)
        name, host = said["Name"], said["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["CapAdd"] is None, name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert said["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name


def test_ports_are_on_loopback_only(stack: Stack):
    published = [
        (said["Name"], binding["HostIp"])
        for said in map(inspect, stack("ps --all --quiet").split())
        for bindings in (said["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    ]
    assert len(published) == 3
    assert {address for _, address in published} == {"127.0.0.1"}


def test_the_bridge_can_read_the_volume_and_not_write_to_it(stack: Stack):
    (mount,) = inspect(stack.container("bridge"))["Mounts"]
    assert (mount["Destination"], mount["RW"]) == ("/shared/metrics", False)
    assert inspect(stack.container("job"))["HostConfig"]["NetworkMode"] == "none", "the job needs no network"


def test_a_bridge_on_the_host_reaches_the_published_port_and_the_shared_folder(
    stack_for_the_host: tuple[Stack, Path], tmp_path: Path
):
    stack, folder = stack_for_the_host
    environ = os.environ | {
        "METRICS_FILE_PATH": str(folder / "current.json"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{stack.port('collector', 4317)}",
        "OTEL_SERVICE_NAME": "ml-metrics-bridge",
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=on-the-host",
        "COLLECTION_INTERVAL": "1",
    }
    with (tmp_path / "bridge.log").open("wb") as log:
        bridge = subprocess.Popen([sys.executable, "-m", "bridge"], env=environ, cwd=ROOT, stderr=log, stdout=log)
    try:
        stack.until_fresh("on-the-host", within=60)
    finally:
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(20) == 0, (tmp_path / "bridge.log").read_text()


def test_the_profile_train_brings_a_real_training_whose_loss_falls(stack: Stack):
    stack("--profile train up --build --wait --wait-timeout 120")
    series = 'ml_training_loss{job_id="training-job-digits", model_name="mlp-64", dataset="scikit-learn-digits"}'
    try:
        (loss,) = stack.found(series, within=60)
        assert loss.labels["instance"] == "bridge-train"

        def fallen() -> bool:
            values = [value for one in stack.prometheus().query(f"{series}[10m]") for _, value in one.samples]
            return min(values) < 0.7 * values[0]

        wait_until(fallen, within=60, every=0.5, what="the loss has fallen to less than 0.7 of its first value")
    finally:
        stack.away("train", "bridge-train")


def test_the_profile_chaos_puts_toxiproxy_between_a_second_bridge_and_the_collector(stack: Stack):
    stack("--profile chaos up --wait --wait-timeout 120")
    try:
        stack.until_fresh("bridge-chaos", within=60)
        proxy = f"http://127.0.0.1:{stack.port('toxiproxy', 8474)}/proxies/collector"
        assert requests.post(proxy, json={"enabled": False}, timeout=5).status_code == 200
        cut_off = stack.writes()
        stack.until_fresh("bridge", within=60)
        wait_until(lambda: len(stack.writes()) > len(cut_off) + 5, within=60, every=0.5, what="five more writes")
        (loss,) = stack.prometheus().query('ml_training_loss{instance="bridge-chaos"}')
        assert loss.samples[-1][1] in cut_off, "the cut connection did not hold it up"
        assert requests.post(proxy, json={"enabled": True}, timeout=5).status_code == 200
        stack.until_fresh("bridge-chaos", within=40)
    finally:
        stack.away("bridge-chaos", "toxiproxy")

"""Facts of docker-compose.yml and what lies beside it that need no Docker to be seen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.settings import KNOBS
from harness.loading import load
from harness.rigs import manifests

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BRIDGES = {name: service for name, service in SERVICES.items() if service["image"] == "ml-metrics-bridge:dev"}
JOBS = {name: service for name, service in SERVICES.items() if "METRICS_FILE_PATH" in service.get("environment", {})}
MIB = 2**20


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BRIDGES)
def test_every_variable_that_a_bridge_is_given_is_a_setting_of_it(name: str):
    known = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", text_of("docs/settings.md")))
    assert BRIDGES[name]["environment"].keys() <= known


@pytest.mark.parametrize("name", JOBS.keys() - BRIDGES.keys())
def test_every_variable_that_a_job_is_given_is_a_setting_of_it(name: str):
    known = set(re.findall(r"^    ([A-Z][A-Z_]+) ", text_of("mock_ml_job/settings.py"), re.MULTILINE))
    assert JOBS[name]["environment"].keys() <= known


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_images_are_of_the_versions_that_the_local_rig_builds():
    pins = tomllib.loads(text_of("tools/versions.toml"))
    named = {"collector": "otelcol", "toxiproxy": "toxiproxy-server", "prometheus": "prometheus"}
    for service, program in named.items():
        assert SERVICES[service]["image"].rpartition(":")[2].lstrip("v") == pins[program]["version"], service


def test_the_memory_limit_of_the_alert_is_that_of_the_bridges():
    rules = yaml.safe_load(text_of("compose/alerts.yml"))["groups"][0]["rules"]
    (limit,) = (rule["expr"] for rule in rules if rule.get("record") == "ml_bridge:memory_limit:bytes")
    limits = {bridge["mem_limit"] for bridge in BRIDGES.values()} | {
        bridge["memswap_limit"] for bridge in BRIDGES.values()
    }
    assert limits == {f"{int(re.fullmatch(r'vector[(]([0-9]+)[)]', limit)[1]) // MIB}m"}


def test_an_alert_looks_back_for_longer_than_a_queue_of_the_default_size_holds():
    rules = yaml.safe_load(text_of("compose/alerts.yml"))["groups"][0]["rules"]
    count, interval_seconds = (
        float(KNOBS[name].default) for name in ("queue_count_max", "collection_interval_seconds")
    )
    for alert in ("RequestsDropped", "FieldsLeftOut"):
        (expression,) = (rule["expr"] for rule in rules if rule.get("alert") == alert)
        (hours,) = re.findall(r"last_over_time\(\w+\[(\d+)h:1m\] offset 10m\)", expression)
        assert 3600 * int(hours) > count * interval_seconds, alert


def containers_of(one: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of an object of Kubernetes."""
    if one["kind"] not in ("Job", "Deployment", "Pod"):
        return []
    pod = one["spec"].get("template", one)["spec"]
    return [*pod.get("initContainers", ()), *pod["containers"]]


def training_job() -> dict[str, Any]:
    """The Job of a real training, as the kubernetes rig has it; there is no overlay of it."""
    job = yaml.safe_load(text_of("k8s/base/job.yaml"))
    (scenario,) = load(ROOT / "scenarios" / "real-training.yaml")
    return manifests.job_for(job, scenario, marks={"job": "", "bridge": ""}, variables={})


def manifest_of(image: str) -> dict[str, Any]:
    """The container of k8s/ that runs an image."""
    files = ["base/job.yaml", "base/otel-collector.yaml", "base/prometheus.yaml", "rig/recorder.yaml"]
    files.append("components/toxiproxy/toxiproxy.yaml")
    objects = [one for file in files for one in yaml.safe_load_all(text_of(f"k8s/{file}"))]
    found = {one["image"]: one for each in (training_job(), *objects) for one in containers_of(each)}
    return found[image]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_the_limits_and_the_hardening_of_its_manifest(name: str):
    service = SERVICES[name]
    manifest = manifest_of(service["image"])
    limits, locked = manifest["resources"]["limits"], manifest["securityContext"]
    assert manifests.bytes_of(limits["memory"]) == MIB * int(service["mem_limit"].removesuffix("m"))
    assert service["memswap_limit"] == service["mem_limit"], "swap beside the limit"
    cores = limits["cpu"]
    assert service["cpus"] == (int(cores.removesuffix("m")) / 1000 if cores.endswith("m") else int(cores))
    assert locked["readOnlyRootFilesystem"] is service["read_only"]
    assert locked["capabilities"]["drop"] == service["cap_drop"]
    assert locked["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("path", ["compose/alerts.yml", "compose/grafana-dashboard.json"])
def test_alerts_and_dashboard_ask_for_metrics_that_are_documented(path: str):
    documented = set(re.findall(r"`(?:ml|process)_\w+`", text_of("docs/metrics.md")))
    names = {name.strip("`") for name in documented}
    histograms = ("ml_training_processing_time_milliseconds", "ml_training_samples_per_second")
    names |= {f"{name}_{part}" for name in histograms for part in ("bucket", "count", "sum")}
    asked = set(re.findall(r"\b(?:ml|process)_[a-z_]+(?![\w:])", text_of(path)))
    assert asked
    assert asked <= names


def test_every_panel_of_the_dashboard_has_a_title_of_its_own_and_a_place_of_its_own():
    panels = json.loads(text_of("compose/grafana-dashboard.json"))["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "two panels lie upon each other"
    assert max(x for x, _ in cells) < 24


def test_what_the_files_say_of_the_profile_that_builds_is_so():
    """All images are built with every profile; with `images` alone the training job's is not."""
    builds = {name: service.get("profiles", []) for name, service in SERVICES.items() if "build" in service}
    with_images = {name for name, profiles in builds.items() if not profiles or "images" in profiles}
    assert builds.keys() - with_images == {"train"}
    said = [line for path in ("Dockerfile", "docs/containers.md") for line in text_of(path).splitlines()]
    of_all = [line for line in said if "docker compose" in line and "all four" in line]
    assert len(of_all) == 2
    assert all('docker compose --profile "*" build' in line for line in of_all)


def test_without_docker_the_end_to_end_tests_say_so_in_one_sentence_and_fail(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/e2e"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path)},
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Docker is not here (no docker on PATH)" in said
    assert "nox -s scenarios" in said


def test_the_end_to_end_tests_are_not_among_the_tests_that_need_no_docker():
    assert "e2e" in tomllib.loads(text_of("pyproject.toml"))["tool"]["pytest"]["ini_options"]["norecursedirs"]

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
def test_every_service_is_hardened_and_bounded(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service or service.get("profiles") == ["images"]
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


@pytest.mark.parametrize("name", ["bridge", "job"])
def test_a_container_has_the_limits_and_the_hardening_of_its_manifest(name: str):
    job = next(one for one in yaml.safe_load_all(text_of("k8s/base/job.yaml")) if one["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    (manifest,) = (one for one in pod["initContainers"] + pod["containers"] if one["name"] == name)
    service, limits = SERVICES[name], manifest["resources"]["limits"]
    assert manifest["image"] == service["image"]
    assert limits["memory"] == service["mem_limit"].replace("m", "Mi")
    assert limits["cpu"] == f"{1000 * service['cpus']:.0f}m"
    locked = manifest["securityContext"]
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

"""What can be said of the manifests without a cluster; tests/cluster says the rest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.settings import KNOBS
from harness.rigs.manifests import TRAINING_IMAGE
from mock_ml_job.settings import Settings

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "k8s").rglob("*.yaml"))
OF_THE_POD = {"NAMESPACE", "POD_NAME", "POD_UID", "NODE_NAME", "JOB_NAME"}
"""By the downward API, for OTEL_RESOURCE_ATTRIBUTES."""


def documents(path: Path) -> Iterator[Any]:
    """What a file holds, and what stands as text in its patches."""
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        yield document
        for patch in document.get("patches", ()) if isinstance(document, dict) else ():
            yield from yaml.safe_load_all(patch.get("patch", ""))


def mappings(found: object) -> Iterator[dict[str, Any]]:
    if isinstance(found, dict):
        yield found
        for inner in found.values():
            yield from mappings(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from mappings(inner)


ALL = [one for path in FILES for document in documents(path) for one in mappings(document)]


def test_every_variable_of_the_bridge_is_a_setting_of_it():
    known = {name for knob in KNOBS.values() for name in knob.names} | OF_THE_POD
    given = {variable["name"] for one in ALL if one.get("name") == "bridge" for variable in one.get("env", ())}
    assert given
    assert given <= known


def test_the_ordinary_container_ends_whether_the_job_left_its_marker_wrote_before_it_was_killed_or_never_did():
    (bridge,) = (
        one
        for document in documents(ROOT / "k8s" / "overlays" / "legacy" / "kustomization.yaml")
        for one in mappings(document)
        if one.get("name") == "bridge"
    )
    given = {variable["name"] for variable in bridge["env"]}
    assert {"BRIDGE_EXIT_MARKER", "BRIDGE_EXIT_AFTER_IDLE", "BRIDGE_EXIT_WITHOUT_FILE"} <= given


def test_every_variable_of_the_job_is_a_setting_of_it():
    given = {variable["name"] for one in ALL if one.get("name") == "job" for variable in one.get("env", ())}
    assert given
    assert given <= set(re.findall(r"\b[A-Z][A-Z_]+\b", Settings.__doc__ or ""))


def test_the_list_of_images_is_that_of_the_manifests_and_the_training_run():
    lines = (ROOT / "k8s" / "images.txt").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    named = {one["image"] for one in ALL if isinstance(one.get("image"), str)}
    assert listed == named | {TRAINING_IMAGE}


def test_no_image_is_latest_and_those_of_others_are_of_the_pinned_version():
    images = {one["image"] for one in ALL if isinstance(one.get("image"), str)}
    pins = tomllib.loads((ROOT / "tools" / "versions.toml").read_text(encoding="utf-8"))
    of_others = {"otel/opentelemetry-collector-contrib": "otelcol", "ghcr.io/shopify/toxiproxy": "toxiproxy-server"}
    for image in images:
        name, _, tag = image.rpartition(":")
        assert name
        assert tag not in {"latest", ""}
        pinned = (
            pins[of_others[name]]["version"] if name in of_others else {"prom/prometheus": "v3.13.5"}.get(name, "dev")
        )
        assert tag == pinned, image
    assert f"prom/prometheus:v{pins['prometheus']['version']}" in images


def test_every_container_is_bounded_and_locked():
    containers = [one for one in ALL if "image" in one]
    assert len(containers) >= 6
    for one in containers:
        assert one["resources"]["limits"].keys() >= {"cpu", "memory"}, one["name"]
        assert one["resources"]["requests"].keys() >= {"cpu", "memory"}, one["name"]
        assert one["securityContext"]["readOnlyRootFilesystem"] is True, one["name"]
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}, one["name"]


def test_no_pod_has_a_token_of_the_cluster():
    pods = [one for one in ALL if "containers" in one and "securityContext" in one]
    assert len(pods) >= 4
    assert all(one["automountServiceAccountToken"] is False for one in pods)


def test_the_bridge_is_held_up_by_no_probe_and_nothing_is_waited_for():
    (bridge,) = [one for one in ALL if one.get("name") == "bridge" and "image" in one]
    assert bridge["restartPolicy"] == "Always"
    assert bridge["livenessProbe"]["httpGet"]["path"] == "/live"
    assert not bridge.keys() & {"startupProbe", "readinessProbe", "lifecycle"}


@pytest.mark.parametrize("label", ["app.kubernetes.io/name", "ml-metrics/sends-to"])
def test_every_policy_speaks_of_pods_that_there_are(label: str):
    """A policy whose selector has a slip of the pen protects nothing and says nothing."""
    labelled = {one["labels"][label] for one in ALL if label in (one.get("labels") or {})}
    selected = {one["matchLabels"][label] for one in ALL if label in (one.get("matchLabels") or {})}
    assert selected
    assert selected <= labelled


def test_a_named_port_of_a_policy_or_a_service_is_one_of_a_container():
    opened = {one["name"] for one in ALL if "containerPort" in one}
    named = {one["port"] for one in ALL if one.get("protocol") and isinstance(one.get("port"), str)}
    named |= {one["targetPort"] for one in ALL if isinstance(one.get("targetPort"), str)}
    assert named
    assert named <= opened

"""Every overlay, and what the rig puts up: built, checked against the API server's schema, admitted."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.kubectl import Kubectl, KubectlError
from harness.rigs.manifests import in_namespace
from tests.cluster.overlays import K8S, OVERLAYS, as_pod, objects_of
from tests.page_beside_your_job import written

FOLDERS = ["base", *(f"overlays/{name}" for name in OVERLAYS), "rig"]


def accepted(kubectl: Kubectl, *objects: dict) -> str:
    """What the API server says of objects that it would take; a refusal is an error."""
    done = subprocess.run(
        kubectl.command("apply", "--dry-run=server", "--validate=strict", "-f", "-"),
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise KubectlError(done.stderr)
    return done.stdout + done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_overlay_builds_and_the_api_server_takes_it_without_a_warning(folder: str, empty_namespace: Kubectl):
    objects = in_namespace(objects_of(K8S / folder), empty_namespace.namespace)
    said = accepted(empty_namespace, *objects)
    assert said.count("server dry run") == len(objects)
    assert "Warning" not in said


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pod_is_admitted_where_restricted_pod_security_is_enforced(folder: str, empty_namespace: Kubectl):
    objects = objects_of(K8S / folder)
    pods = [as_pod(one) for one in objects if one["kind"] in {"Deployment", "StatefulSet", "Job"}]
    assert pods
    accepted(empty_namespace, *in_namespace(pods, empty_namespace.namespace))


def test_a_job_of_ones_own_by_the_page_keeps_the_bridge_and_is_admitted(tmp_path: Path, empty_namespace: Kubectl):
    objects = in_namespace(objects_of(written(tmp_path)), empty_namespace.namespace)
    said = accepted(empty_namespace, *objects, as_pod(job := next(one for one in objects if one["kind"] == "Job")))
    assert "Warning" not in said
    pod = job["spec"]["template"]["spec"]
    (container,), (bridge,) = pod["containers"], pod["initContainers"]
    assert container["image"] == "my-training:1"
    assert container["command"] == ["python", "/job.py"]
    assert {"name": "METRICS_FILE_PATH", "value": "/shared/metrics/current.json"} in container["env"]
    assert bridge["image"] == "ml-metrics-bridge:dev"
    assert {"name": "OTEL_SERVICE_NAME", "value": "my-training"} in bridge["env"]


def test_a_pod_that_may_become_root_is_refused(empty_namespace: Kubectl):
    job = next(one for one in objects_of(K8S / "base") if one["kind"] == "Job")
    pod = in_namespace([as_pod(job)], empty_namespace.namespace)[0]
    del pod["spec"]["securityContext"]["runAsNonRoot"]
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        accepted(empty_namespace, pod)


def test_a_misspelled_key_is_refused(empty_namespace: Kubectl):
    job = next(one for one in objects_of(K8S / "base") if one["kind"] == "Job")
    job["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
    with pytest.raises(KubectlError, match="unknown field"):
        accepted(empty_namespace, *in_namespace([job], empty_namespace.namespace))

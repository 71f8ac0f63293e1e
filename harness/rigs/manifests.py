"""The manifests of a run: `k8s/rig`, rendered by kubectl, with the scenario filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.keeper import MARK
from harness.kubectl import Kubectl, KubectlError
from harness.provenance import SOURCE_TREE
from harness.scenario import SERVICE_NAME, Scenario

_FOLDERS = (SOURCE_TREE / "k8s", SOURCE_TREE / "harness" / "k8s_files")
"""In a source tree, and as installed."""
_UNITS: Mapping[str, int] = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
TRAINING_IMAGE = "ml-metrics-bridge-train:dev"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifests:
    """What is put up for a run."""

    around: tuple[Object, ...]
    """Everything but the Job, the namespace first."""
    job: Object

    @property
    def images(self) -> frozenset[str]:
        """All that is named."""
        return frozenset(container["image"] for one in (*self.around, self.job) for container in _containers(one))


def rendered(folder: Path | None = None) -> Manifests:
    """Render them.

    Raises:
        KubectlError: kubectl is not there, or refuses them; or they are not there.
    """
    folder = folder or next((one for one in _FOLDERS if (one / "rig").is_dir()), None)
    if folder is None:
        raise KubectlError(
            "the manifests of the rig are not there: install the harness anew, or run it from its sources"
        )
    objects = list(yaml.safe_load_all(Kubectl().run("kustomize", str(folder / "rig"))))
    return Manifests(
        around=tuple(
            sorted((one for one in objects if one["kind"] != "Job"), key=lambda one: one["kind"] != "Namespace")
        ),
        job=next(one for one in objects if one["kind"] == "Job"),
    )


def in_namespace(objects: Sequence[Object], namespace: str) -> list[Object]:
    """Return objects as they are in a namespace of another name."""
    moved = []
    for one in objects:
        named = {"name": namespace} if one["kind"] == "Namespace" else {"namespace": namespace}
        moved.append({**one, "metadata": {**one["metadata"], **named}})
    return moved


def job_for(job: Object, scenario: Scenario, *, marks: Mapping[str, str], variables: Mapping[str, str]) -> Object:
    """Return the Job of a scenario.

    Args:
        job: as rendered, in its namespace; it is changed.
        scenario: what it is for.
        marks: of the job's and of the bridge's processes.
        variables: of the job, beyond those of the scenario.
    """
    containers = {container["name"]: container for container in _containers(job)}
    spec, bridge = scenario.job, scenario.bridge
    _set(
        containers["bridge"],
        {
            "OTEL_SERVICE_NAME": SERVICE_NAME,
            "COLLECTION_INTERVAL": f"{bridge.interval:g}",
            "LOG_LEVEL": bridge.log_level,
            MARK: marks["bridge"],
            **bridge.env,
        },
    )
    _set(
        containers["job"],
        {
            "MODEL_NAME": "digits-mlp" if spec.kind == "train" else "resnet-50",
            "DATASET": "digits" if spec.kind == "train" else "imagenet",
            "WRITE_INTERVAL": f"{spec.write_period:g}",
            "TOTAL_EPOCHS": str(spec.epochs),
            "BATCHES_PER_EPOCH": str(spec.batches_per_epoch),
            "JOB_WRITE_MODE": spec.write_mode,
            MARK: marks["job"],
            **variables,
        },
    )
    if spec.kind == "train":
        containers["job"] |= {"image": TRAINING_IMAGE}
        containers["job"]["resources"] = {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        }
    return job


def replace_bridge(job: Object, image: str, command: Sequence[str] | None, arguments: Sequence[str]) -> None:
    """Put another bridge under test in the Job: without the probe of an endpoint that only ours has."""
    bridge = next(container for container in _containers(job) if container["name"] == "bridge")
    if image != bridge["image"] or command is not None:
        bridge.pop("livenessProbe", None)
    bridge["image"] = image
    if command is not None:
        bridge["command"] = list(command)
    if arguments:
        bridge["args"] = list(arguments)


def limit_memory(job: Object, limit_bytes: int) -> None:
    """Give the bridge another memory limit."""
    bridge = next(container for container in _containers(job) if container["name"] == "bridge")
    bridge["resources"]["limits"]["memory"] = str(limit_bytes)
    bridge["resources"]["requests"]["memory"] = str(limit_bytes)


def memory_limits_bytes(job: Object) -> dict[str, int]:
    """Return each container's memory limit."""
    return {
        container["name"]: bytes_of(container["resources"]["limits"]["memory"])
        for container in _containers(job)
        if "memory" in container.get("resources", {}).get("limits", {})
    }


def bytes_of(quantity: str) -> int:
    """Turn ``64Mi`` or ``1000000`` into bytes.

    Raises:
        ValueError: it is no such quantity.
    """
    match = re.fullmatch(r"(\d+)([A-Za-z]*)", quantity)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{quantity!r} is no quantity of memory that is known here")
    return int(match[1]) * _UNITS[match[2]]


def _containers(one: Object) -> Iterator[dict[str, Any]]:
    spec = one["spec"] if one["kind"] == "Pod" else one.get("spec", {}).get("template", {}).get("spec", {})
    yield from (*spec.get("initContainers", ()), *spec.get("containers", ()))


def _set(container: dict[str, Any], variables: Mapping[str, str]) -> None:
    others = [one for one in container.get("env", ()) if one["name"] not in variables]
    container["env"] = [*others, *({"name": name, "value": value} for name, value in variables.items())]

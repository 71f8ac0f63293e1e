"""The overlays of `k8s/` as tests use them: rendered, applied in a namespace of their own, looked into."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from harness.kubectl import Kubectl
from harness.port_forward import PortForward
from harness.rigs.manifests import in_namespace
from harness.waiting import Patience
from mock_ml_job.metrics import Metrics
from mock_ml_job.mock import Curves

K8S = Path(__file__).parent.parent.parent / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())
START_SECONDS = 120.0
"""To start pods on a machine that starts many of them."""

Object = dict[str, Any]


def objects_of(folder: Path) -> list[Object]:
    """What kustomize makes of a folder, the namespace first."""
    objects = list(yaml.safe_load_all(Kubectl().run("kustomize", str(folder))))
    return sorted(objects, key=lambda one: one["kind"] != "Namespace")


class Overlay:
    """An overlay that was applied in a namespace of its own."""

    def __init__(self, name: str, logs: Path) -> None:
        self.name = name
        self.namespace = f"ml-metrics-test-{name}-{secrets.token_hex(3)}"
        self.kubectl = Kubectl(self.namespace)
        self._logs = logs
        self._ways: list[PortForward] = []
        self.objects = objects_of(K8S / "overlays" / name)

    def apply(self) -> None:
        """The Job last: a cluster whose network leads addresses that are not known yet outside of it would have its
        first requests answered by strangers.
        """
        around = [one for one in self.objects if one["kind"] != "Job"]
        self.kubectl.apply(in_namespace([one for one in around if one["kind"] == "Namespace"], self.namespace))
        certificates = K8S / "overlays" / self.name / "certificates.sh"
        if certificates.exists():  # no Collector begins without them
            subprocess.run([certificates, self.namespace], check=True, timeout=60, stdout=subprocess.DEVNULL)
        self.kubectl.apply(in_namespace(around, self.namespace))
        for one in around:
            if one["kind"] in {"Deployment", "StatefulSet"}:
                self.until("rollout", "status", f"{one['kind'].lower()}/{one['metadata']['name']}")
        self.kubectl.apply(in_namespace([self.job], self.namespace))

    @property
    def job(self) -> Object:
        return next(one for one in self.objects if one["kind"] == "Job")

    def way_to(self, target: str, port: int) -> int:
        """A port on loopback that leads there."""
        log = self._logs / f"{self.namespace}-{len(self._ways)}.log"
        way = PortForward(self.kubectl, target, port, log, Patience(threading.Event()))
        self._ways.append(way)
        return way.port

    def until(self, *arguments: str, within: float = START_SECONDS) -> None:
        """``kubectl wait`` or ``rollout status``, bounded."""
        self.kubectl.run(*arguments, f"--timeout={within:g}s", within=within + 15)

    def until_complete(self, within: float) -> None:
        self.until("wait", "job/training", "--for=condition=complete", within=within)

    def pods(self, name: str) -> list[Object]:
        return list(self.kubectl.get("get", "pods", "-l", f"app.kubernetes.io/name={name}")["items"])

    def ends(self, pod: Object) -> dict[str, tuple[int, int]]:
        """Exit code, and how often it was started again, of each container that has ended."""
        both = (*pod["status"].get("initContainerStatuses", ()), *pod["status"]["containerStatuses"])
        return {
            one["name"]: (one["state"]["terminated"]["exitCode"], one["restartCount"])
            for one in both
            if "terminated" in one["state"]
        }

    def unhealthy(self) -> list[str]:
        """What the kubelet said of probes of the job's pods that failed."""
        events = self.kubectl.get("get", "events", "--field-selector=reason=Unhealthy")["items"]
        return [one["message"] for one in events if one["involvedObject"]["name"].startswith("training-")]

    def close(self) -> None:
        for way in self._ways:
            way.close()
        Kubectl().run("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")


def as_pod(workload: Object) -> Object:
    """The pod that a workload makes, as one by itself."""
    template = workload["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": workload["metadata"]["name"], "labels": template["metadata"]["labels"]},
        "spec": json.loads(json.dumps(template["spec"])),
    }


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a scrape."""

    name: str
    labels: dict[str, str]
    value: float


def scraped(port: int) -> list[Sample]:
    """What a Collector serves to Prometheus."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
    answer.raise_for_status()
    found = []
    for line in answer.text.splitlines():
        if match := re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)(?: \d+)?", line):
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.append(Sample(match[1], labels, float(match[3])))
    return found


def value_of(samples: list[Sample], name: str) -> float | None:
    """The value of the one series of that name; None: there is none."""
    values = [sample.value for sample in samples if sample.name == name]
    assert len(values) <= 1, f"{name} is served {len(values)} times"
    return values[0] if values else None


def last_write(job: Object) -> Metrics:
    """What the job of an overlay writes last, which is the same for the same settings."""
    container = next(one for one in job["spec"]["template"]["spec"]["containers"] if one["name"] == "job")
    env = {one["name"]: one.get("value") for one in container["env"]}
    epochs, batches = int(env["TOTAL_EPOCHS"]), int(env["BATCHES_PER_EPOCH"])
    return Curves(seed=0, batches_per_epoch=batches).at(epochs * batches + 1)


def write_of(loss: float) -> int:
    """Which write a loss comes from: the mock job spells it in the last eight decimals."""
    return round(loss * 1000 * 10**8) % 10**8

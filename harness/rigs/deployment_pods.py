"""The Collector's Deployment in a cluster: its pods killed, scaled away and back."""

from __future__ import annotations

from typing import Any

from harness.faults import FaultError
from harness.kubectl import Kubectl, KubectlError
from harness.waiting import WaitedTooLongError, wait_until

READY_SECONDS = 60.0
"""To schedule a pod, start its container and see it ready, on a machine that is busy."""
_GONE_SECONDS = 20.0


class DeploymentPods:
    """See `harness.faults.contract.CollectorPods`.

    Args:
        kubectl: in the Deployment's namespace.
        name: of the Deployment, and of its pods' label ``app.kubernetes.io/name``.
    """

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl = kubectl
        self._name = name

    def running(self) -> frozenset[str]:
        """Ask the API server."""
        return frozenset(
            pod["metadata"]["name"]
            for pod in self._pods()
            if "deletionTimestamp" not in pod["metadata"]
            and any("running" in one.get("state", {}) for one in pod["status"].get("containerStatuses", ()))
        )

    def kill(self) -> frozenset[str]:
        """Delete them with a grace of 0, which the kubelet carries out at once."""
        names = self.running()
        if not names:
            raise FaultError(f"no pod of {self._name} runs")
        self._run("delete", "pod", *sorted(names), "--grace-period=0", "--force", "--wait=true")
        return names

    def scale(self, replicas: int) -> None:
        """Tell the Deployment, and wait until it is so."""
        self._run("scale", f"deployment/{self._name}", f"--replicas={replicas}")
        if replicas:
            self._run("rollout", "status", f"deployment/{self._name}", f"--timeout={READY_SECONDS:g}s")
            return
        if names := sorted(self.running()):
            self._run("delete", "pod", *names, "--grace-period=0", "--force", "--wait=true", "--ignore-not-found")
        try:
            wait_until(
                lambda: not self._pods(), within=_GONE_SECONDS, what=f"no pod of {self._name} is left", every=0.2
            )
        except WaitedTooLongError as problem:
            raise FaultError(str(problem)) from problem

    def _pods(self) -> list[dict[str, Any]]:
        try:
            return list(self._kubectl.get("get", "pods", "-l", f"app.kubernetes.io/name={self._name}")["items"])
        except KubectlError as problem:
            raise FaultError(str(problem)) from problem

    def _run(self, *arguments: str) -> None:
        try:
            self._kubectl.run(*arguments, within=READY_SECONDS + 10)
        except KubectlError as problem:
            raise FaultError(str(problem)) from problem

"""Harm to the collector as a cluster does it: its pods are killed and replaced, or scaled away."""

from __future__ import annotations

from harness.faults.contract import CollectorPods, FaultError, Ground, Seen
from harness.faults.file import NoParameters
from harness.waiting import WaitedTooLongError, wait_until

_REPLACED_SECONDS = 60.0
"""To schedule a pod, start its container and see it ready, on a machine that is busy."""


def _needed(pods: CollectorPods | None) -> CollectorPods:
    if pods is None:
        raise FaultError("on this rig the collector has no pods: run it with --rig kubernetes")
    return pods


class CollectorPodKilled:
    """Every pod of the collector is killed at once, without grace; the cluster puts new ones in their place."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._pods = ground.collector_pods
        self._killed: frozenset[str] = frozenset()

    def inject(self) -> str:
        """Kill them."""
        self._killed = _needed(self._pods).kill()
        return f"{', '.join(sorted(self._killed))} was killed without grace"

    def verify(self) -> Seen:
        """Ask the cluster which pods run: those that were killed must not be among them."""
        running = _needed(self._pods).running()
        ok = bool(self._killed) and not running & self._killed
        return Seen(ok=ok, evidence=f"killed: {_listed(self._killed)}; running: {_listed(running)}")

    def heal(self) -> str:
        """Wait until the cluster has put another one in their place."""
        pods = _needed(self._pods)
        try:
            wait_until(
                lambda: bool(pods.running() - self._killed),
                within=_REPLACED_SECONDS,
                what="a new pod of the collector",
                every=0.2,
            )
        except WaitedTooLongError as problem:
            raise FaultError(str(problem)) from problem
        return f"in their place: {_listed(pods.running())}"


class CollectorScaledToZero:
    """The collector is scaled to nothing, and back to one by the heal."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._pods = ground.collector_pods

    def inject(self) -> str:
        """Scale to zero, and wait until no pod is left."""
        _needed(self._pods).scale(0)
        return "the collector was scaled to zero"

    def verify(self) -> Seen:
        """Ask the cluster which pods run: there must be none."""
        running = _needed(self._pods).running()
        return Seen(ok=not running, evidence=f"running: {_listed(running)}")

    def heal(self) -> str:
        """Scale back to one, and wait until it is ready."""
        pods = _needed(self._pods)
        pods.scale(1)
        return f"the collector is back: {_listed(pods.running())}"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"

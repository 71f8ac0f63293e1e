"""A pod's status, followed as the API server tells it: also the last word before a deleted pod is gone."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from harness.kubectl import Kubectl


class PodWatch:
    """One ``kubectl get --watch``.

    Args:
        kubectl: in the pod's namespace.
        pod: its name.
        log: for what kubectl says.

    Raises:
        KubectlError: it cannot be started.
    """

    def __init__(self, kubectl: Kubectl, pod: str, log: Path) -> None:
        self._statuses: list[Mapping[str, Any]] = []
        with log.open("ab") as said:
            command = ("get", "pod", pod, "--watch", "-o", "json")
            self._process = kubectl.start(*command, stdout=subprocess.PIPE, log=said)
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for; for the type checker
        threading.Thread(target=self._read, args=(self._process.stdout,), name=f"watch-{pod}", daemon=True).start()

    def terminated(self, container: str) -> Mapping[str, Any] | None:
        """How a container ended: ``exitCode``, ``reason``; None: nobody said so yet."""
        for status in reversed(self._statuses):
            if found := terminated(status, container):
                return found[0]
        return None

    def close(self) -> None:
        """Follow it no more."""
        self._process.kill()
        self._process.wait()

    def _read(self, lines: IO[bytes]) -> None:
        """Kubectl prints one object after the other, each with its last brace alone on a line."""
        with lines:
            text = b""
            for line in lines:
                text += line
                if line.rstrip() == b"}" and not line.startswith(b" "):
                    self._statuses.append(json.loads(text).get("status", {}))
                    text = b""


def terminated(status: Mapping[str, Any], container: str) -> list[Mapping[str, Any]]:
    """What a pod's status says of a container's end; where it was started again, that is its last state."""
    both = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    states = [one.get(key, {}) for one in both if one["name"] == container for key in ("state", "lastState")]
    return [state["terminated"] for state in states if "terminated" in state]


_FINE = frozenset({"PodInitializing", "ContainerCreating"})
"""Reasons of a container that merely waits for its turn."""


def held_up(status: Mapping[str, Any]) -> str:
    """Which containers cannot start, their images and the kubelet's reasons, as a clause; empty: none is held up."""
    both = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    waiting = [(one, one.get("state", {}).get("waiting") or {}) for one in both]
    return "; ".join(
        f"its container {one['name']} ({one.get('image', 'no image')}) waits: {why.get('reason')}"
        for one, why in waiting
        if why.get("reason") and why["reason"] not in _FINE
    )

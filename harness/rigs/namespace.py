"""A run's own namespace in a cluster: made with what stands in it, waited for, and gone when the run is."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Sequence

from harness.kubectl import Kubectl, KubectlError
from harness.pod_watch import held_up
from harness.rigs import manifests
from harness.rigs.deployment_pods import READY_SECONDS
from harness.rigs.manifests import Object
from harness.waiting import Patience

_GONE_SECONDS = 120.0
"""A namespace is gone when its pods are, each within its grace."""
_PIECE_SECONDS, _AGAIN_SECONDS = 3.0, 0.2


class Namespace:
    """It is there once something was applied.

    Args:
        after_death: has a command carried out should the harness be killed; gives what calls that off.
        patience: how waiting is cut short when the run is told to end.
    """

    def __init__(self, after_death: Callable[[Sequence[str]], Callable[[], None]], patience: Patience) -> None:
        self.name = f"bridge-harness-{secrets.token_hex(4)}"
        self.kubectl = Kubectl(self.name)
        self._patience = patience
        self._call_off = after_death(
            ["kubectl", "delete", "namespace", self.name, "--ignore-not-found", "--wait=false"]
        )

    def apply(self, objects: Sequence[Object]) -> None:
        """Apply objects to it, moved here; the first are to have the namespace itself among them.

        Raises:
            KubectlError: the API server refused one of them.
        """
        self.kubectl.apply(manifests.in_namespace(objects, self.name))

    def until_there(self, *arguments: str) -> None:
        """Wait as ``kubectl wait`` does, in pieces that an interrupt can come between.

        Raises:
            KubectlError: not within `READY_SECONDS`.
            InterruptedRunError: the run was told to end.
        """
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.kubectl.run(*arguments, f"--timeout={_PIECE_SECONDS:g}s")
            except KubectlError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return
            self._patience.hold(_AGAIN_SECONDS)

    def until_begun(self, job: str) -> str:
        """Wait until a Job has a pod whose init containers are over or run beside it; gives the pod's name.

        Raises:
            KubectlError: it does not begin; with what holds it up.
            WaitedTooLongError: the Job has no pod.
            InterruptedRunError: the run was told to end.
        """
        pod = self._pod_of(job)
        try:
            self.until_there("wait", f"pod/{pod}", "--for=condition=Initialized")
        except KubectlError as problem:
            why = held_up(self.kubectl.get("get", f"pod/{pod}").get("status", {}))
            raise KubectlError(f"the job's pod does not begin: {why or problem}") from problem
        return pod

    def delete(self) -> None:
        """Delete it and see that it is gone; where the cluster does not let us, the keeper tries again."""
        with contextlib.suppress(KubectlError):
            Kubectl().run(
                "delete", "namespace", self.name, "--ignore-not-found", f"--timeout={_GONE_SECONDS:g}s",
                within=_GONE_SECONDS + 10,
            )  # fmt: skip
            self._call_off()

    def _pod_of(self, job: str) -> str:
        found: list[str] = []

        def there() -> bool:
            pods = self.kubectl.get("get", "pods", "-l", f"batch.kubernetes.io/job-name={job}")["items"]
            found.extend(pod["metadata"]["name"] for pod in pods)
            return bool(found)

        self._patience.until(there, within=READY_SECONDS, what="the Job's pod", every=0.2)
        return found[0]

"""What a cluster must have for the kubernetes rig: asked of kubectl, each question bounded."""

from __future__ import annotations

from collections.abc import Iterator

from harness import kubectl
from harness.kubectl import Kubectl, KubectlError
from harness.rigs import manifests

NATIVE_SIDECARS = (1, 29)
"""Before this version an init container that restarts always is refused, or holds up the pod for ever."""
_ASK_SECONDS = 10.0
_HOW_IMAGES = (
    "build them with `docker compose --profile '*' build` and load them into the cluster (kind load docker-image, "
    "minikube image load, k3s ctr images import, or a registry of its own)"
)


def lacking() -> tuple[str, ...]:
    """What is missing, each with how to get it; empty: runs can be made."""
    try:
        return tuple(_missing(Kubectl()))
    except KubectlError as problem:
        return (str(problem),)


def version() -> str:
    """What the API server says it is.

    Raises:
        KubectlError: it does not answer.
    """
    return str(Kubectl().get("version", within=_ASK_SECONDS)["serverVersion"]["gitVersion"])


def _missing(cluster: Kubectl) -> Iterator[str]:
    cluster.command()  # says how to get it
    try:
        server = cluster.get("version", "--request-timeout=5s", within=_ASK_SECONDS)["serverVersion"]
    except (KubectlError, KeyError) as problem:
        said = str(problem).splitlines()[-1]
        yield (
            f"a cluster that kubectl reaches by {kubectl.configuration()} ({said}): `kind create cluster` or "
            "`minikube start` makes one, KUBECONFIG names one; without any, --rig local runs the same scenarios"
        )
        return
    found = int(server["major"]), int("".join(filter(str.isdecimal, server["minor"])))
    if found < NATIVE_SIDECARS:
        yield f"Kubernetes {'.'.join(map(str, NATIVE_SIDECARS))} or later: this is {server['gitVersion']}"
    if cluster.run("auth", "can-i", "create", "namespaces", within=_ASK_SECONDS).strip() != "yes":
        yield "leave to create namespaces in the cluster: ask whoever keeps it"
    there = {
        name
        for node in cluster.get("get", "nodes", within=_ASK_SECONDS)["items"]
        for image in node["status"].get("images") or ()
        for name in image.get("names") or ()  # null: an older build whose tag went to a newer one
    }
    named = manifests.rendered().images | {manifests.TRAINING_IMAGE}
    if absent := sorted(image for image in named if not _is_there(image, there)):
        yield f"the images {', '.join(absent)} on a node of the cluster: {_HOW_IMAGES}"


def _is_there(image: str, there: set[str]) -> bool:
    """Ours have no registry and stand on the nodes under its usual name; the others can be pulled."""
    return "/" in image or bool({image, f"docker.io/library/{image}", f"localhost/{image}"} & there)

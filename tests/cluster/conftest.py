"""A real cluster: the tests apply overlays in namespaces of their own, and leave none behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from harness.kubectl import Kubectl
from harness.rigs import cluster
from harness.rigs.manifests import in_namespace
from tests.cluster.overlays import K8S, Overlay, objects_of


@pytest.fixture(scope="session", autouse=True)
def a_cluster() -> None:
    if lacking := cluster.lacking():
        pytest.exit(f"no cluster to test on: {'; '.join(lacking)}", returncode=1)


@pytest.fixture(scope="session")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Overlay]]:
    """Applies an overlay, the first time that it is asked for."""
    logs = tmp_path_factory.mktemp("port-forwards")
    made: dict[str, Overlay] = {}

    def make(name: str) -> Overlay:
        if name not in made:
            made[name] = Overlay(name, logs)
            made[name].apply()
        return made[name]

    yield make
    for one in made.values():
        one.close()


@pytest.fixture
def empty_namespace() -> Iterator[Kubectl]:
    """A namespace as the base makes it, with nothing in it."""
    namespace = next(one for one in objects_of(K8S / "base") if one["kind"] == "Namespace")
    name = f"ml-metrics-test-{secrets.token_hex(3)}"
    Kubectl().apply(in_namespace([namespace], name))
    yield Kubectl(name)
    Kubectl().run("delete", "namespace", name, "--wait=false")

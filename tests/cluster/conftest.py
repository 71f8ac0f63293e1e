"""A real cluster: the tests apply overlays in namespaces of their own, and leave none behind."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.kubectl import Kubectl
from harness.rigs import cluster
from harness.rigs.manifests import in_namespace
from tests.cluster.overlays import K8S, Overlay, objects_of

BEFORE_THE_DEMO = ("test_legacy.py", "test_manifests.py", "test_tls.py")
"""What runs while the demo's job does, which takes two minutes: about as long, and with little load."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        if item.path.parent != Path(__file__).parent or item.path.name in BEFORE_THE_DEMO:
            return 0
        return 1 if item.path.name == "test_demo.py" else 2

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def a_cluster() -> None:
    if lacking := cluster.lacking():
        pytest.exit(f"no cluster to test on: {'; '.join(lacking)}", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _the_demo_is_begun_first(request: pytest.FixtureRequest, a_cluster: None) -> None:  # noqa: ARG001 - it is there
    if any("demo" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("demo")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    """The overlay that is begun before all tests, if any asks for it."""
    made = Overlay("demo", tmp_path_factory.mktemp("port-forwards"))
    try:
        made.apply()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Overlay]]:
    """Applies an overlay, the first time that it is asked for; it goes with the module, lest its pods slow the next."""
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

"""The stack of docker-compose.yml for the tests: each run has its own project and ports, and leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_docker.plugin import get_docker_services

from tests.e2e.engine import docker, missing
from tests.e2e.stack import FILE, Stack

ROOT = Path(__file__).parents[2]
FILES = [str(ROOT / "docker-compose.yml"), str(Path(__file__).with_name("docker-compose.yml"))]
PROJECT = "bridge-e2e-"
PORTS = ("OTLP_PORT", "SCRAPE_PORT", "PROMETHEUS_PORT", "PROMETHEUS_OTLP_PORT", "TOXIPROXY_PORT")
CLEANUP = ['--profile "*" down --volumes --remove-orphans --timeout 3']
UP = "up --build --wait --wait-timeout 120"
TEST_SECONDS = 600
"""The first test of a run also builds the images."""
LOG_LINES = 40
SPOILED = """{"timestamp": "2026-01-01T00:00:00Z",
 "job_metadata": {"job_id": "training-job-123", "model_name": "resnet-50", "dataset": "imagenet"},
 "training_metrics": {"training_loss": 0.5, "accuracy": true}}"""

measured = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[measured] = []
    if reason := missing():
        pytest.exit(reason, returncode=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash[measured]:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.line(figure)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the containers said last beside a failure: they are gone when one looks."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if call.excinfo is not None and isinstance(stack, Stack):
        report.sections.append(("containers", stack(f'--profile "*" logs --no-color --tail {LOG_LINES}')))
    return report


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line on what was measured, for the end of the run."""
    return pytestconfig.stash[measured].append


@pytest.fixture(scope="session")
def docker_compose_file() -> list[str]:
    return FILES


@pytest.fixture(scope="session")
def docker_compose_project_name() -> Iterator[str]:
    """This run's own; what a killed run left behind goes first."""
    for project in json.loads(docker("compose", "ls", "--all", "--format", "json")):
        name = project["Name"]
        owner = name.removeprefix(PROJECT).partition("-")[0]
        if name.startswith(PROJECT) and owner.isdecimal() and not Path("/proc", owner).exists():
            docker("compose", "--project-name", name, "down", "--volumes", "--remove-orphans", "--timeout", "3")
    with pytest.MonkeyPatch.context() as patch:
        for port in PORTS:
            patch.setenv(port, "0")  # the engine chooses
        for name in ("METRICS_FOLDER", "JOB_USER", "COMPOSE_PROFILES", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"):
            patch.delenv(name, raising=False)
        yield f"{PROJECT}{os.getpid()}"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Nothing: pytest-docker cleans up only what it saw come up, so the stack comes up where that is seen to."""
    return []


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return CLEANUP


@pytest.fixture(scope="session")
def stack(docker_services) -> Stack:  # noqa: ANN001 - pytest-docker's own
    """README's stack, up. In its beginning the job once wrote a field that cannot be carried: something to be shown."""
    made = Stack(docker_services._docker_compose)
    made(UP)
    made.until_fresh("bridge", within=60)
    with made.frozen("job"):
        made.inside("job", "sh", "-c", f"cat > {FILE}", stdin=SPOILED)
        made.found('ml_training_loss{instance="bridge"} == 0.5', within=40)
    return made


@pytest.fixture
def stack_for_the_host(
    docker_compose_command: str,
    docker_compose_project_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Stack, Path]]:
    """All but the bridge, and a folder of this machine in which the job writes as this user."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    monkeypatch.setenv("METRICS_FOLDER", str(folder))
    monkeypatch.setenv("JOB_USER", f"{os.getuid()}:{os.getgid()}")
    name = f"{docker_compose_project_name}-host"
    with get_docker_services(docker_compose_command, FILES, name, [], CLEANUP) as services:
        made = Stack(services._docker_compose)
        made(f"{UP} job collector prometheus")
        yield made, folder

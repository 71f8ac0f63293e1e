"""docs/beside-your-job.md with compose: a job of one's own beside the bridge's image, in the network of the stack."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.engine import docker
from tests.e2e.stack import Stack
from tests.page_beside_your_job import written


@pytest.fixture
def beside(
    stack: Stack, docker_compose_project_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Runs the page's compose commands, in a project of this run's."""
    del stack  # it is up, which the page asks for
    monkeypatch.setenv("STACK_NETWORK", f"{docker_compose_project_name}_default")
    file = written(tmp_path) / "compose.yaml"
    project = f"{docker_compose_project_name}-beside"

    def compose(*arguments: str) -> str:
        return docker("compose", "--project-name", project, "--file", str(file), *arguments)

    with contextlib.ExitStack() as leftovers:
        leftovers.callback(compose, "down", "--volumes", "--timeout", "3")
        yield compose


def test_who_follows_the_page_has_the_loss_of_his_own_job_in_prometheus(stack: Stack, beside: Callable[..., str]):
    beside("up", "--detach", "--wait")
    (loss,) = stack.found('ml_training_loss{job="my-training"}', within=60)
    assert loss.labels["instance"] == "my-training"
    assert loss.labels["job_id"] == "my-training-1"
    stack.found('ml_training_loss{job="my-training"} < 0.5', within=60)
    said = beside("logs", "--no-log-prefix", "bridge")
    assert "not in the metrics file: " in said
    assert "WARNING" not in said

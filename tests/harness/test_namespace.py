"""A run's own namespace: what is done with it, in order, and what is left to the keeper; kubectl is played."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.kubectl import KubectlError
from harness.rigs.namespace import Namespace
from harness.waiting import Patience

PODS = {"say": json.dumps({"items": [{"metadata": {"name": "training-abc"}}]})}


class World:
    """A namespace, the kubectl that it is in, and the keeper."""

    def __init__(self, teach: Callable[[dict[str, Any]], None], folder: Path) -> None:
        self.teach = teach
        self.folder = folder
        self.promised: list[list[str]] = []
        self.called_off = 0
        self.namespace = Namespace(self.promise, Patience(threading.Event()))

    def promise(self, command: Sequence[str]) -> Callable[[], None]:
        self.promised.append(list(command))
        return self.call_off

    def call_off(self) -> None:
        self.called_off += 1

    def told(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "told.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def world(teach: Callable[[dict[str, Any]], None], tmp_path: Path) -> World:
    return World(teach, tmp_path)


def test_its_end_is_promised_before_anything_is_in_it_and_called_off_when_it_is_gone(world: World):
    assert [command[:4] for command in world.promised] == [["kubectl", "delete", "namespace", world.namespace.name]]
    world.teach({"delete namespace": {}})
    world.namespace.delete()
    assert world.told()[-1][:3] == ["delete", "namespace", world.namespace.name]
    assert world.called_off == 1


def test_a_namespace_that_cannot_be_deleted_is_left_to_the_keeper(world: World):
    world.teach({"delete namespace": {"code": 1, "err": "the server is away"}})
    world.namespace.delete()
    assert world.called_off == 0


def test_the_pod_of_a_job_is_found_by_the_jobs_name_and_waited_for(world: World):
    world.teach({"get pods -l batch.kubernetes.io/job-name=training": PODS, "wait pod/training-abc": {}})
    assert world.namespace.until_begun("training") == "training-abc"
    assert any("--for=condition=Initialized" in words for words in world.told())


def test_a_pod_that_does_not_begin_is_told_with_what_holds_it_up(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harness.rigs.namespace.READY_SECONDS", 0.0)
    waits = {"name": "job", "image": "no-such:1", "state": {"waiting": {"reason": "ErrImagePull"}}}
    world.teach(
        {
            "get pods": PODS,
            "wait pod/": {"code": 1, "err": "error: timed out"},
            "get pod/": {"say": json.dumps({"status": {"containerStatuses": [waits]}})},
        }
    )
    with pytest.raises(KubectlError, match=r"does not begin: .*waits: ErrImagePull"):
        world.namespace.until_begun("training")

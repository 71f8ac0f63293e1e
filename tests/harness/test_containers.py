"""A container's first process as something that a run started; the engine is a stand-in, the processes are real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import keeper, procfs
from harness.containers import ContainerProcess, start_container
from harness.processes import ProcessError, Processes
from harness.started import OutOfMemory
from harness.waiting import wait_until
from tests.harness.fake_engine import FakeEngine

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
MIB = 2**20


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def run(fake: FakeEngine, processes: Processes, tmp_path: Path) -> Callable[..., ContainerProcess]:
    """Create a container, start it, let the run keep it."""

    def start(script: str, **what: object) -> ContainerProcess:
        if script:
            fake.lay_down("one", script, **what)
        t, process = start_container(fake.engine, "bridge", "one", tmp_path / "bridge.log")
        processes.adopt(process, t)
        return process

    return start


def until_it_says(process: ContainerProcess, word: str) -> None:
    wait_until(lambda: word in process.log.read_text(), within=10, what=f"it says {word!r}")


def test_what_is_held_is_the_process_itself_and_not_the_client(run: Callable[..., ContainerProcess], events: list[Any]):
    before = time.monotonic()
    container = run(SLEEPS)
    until_it_says(container, "up")
    command = psutil.Process(container.pid).cmdline()
    assert SLEEPS in command
    assert container.create_time == procfs.create_time(container.pid)
    t, role, action, facts = events[0]
    assert (role, action, facts) == ("bridge", "started", {"create_time": container.create_time})
    assert before - 0.02 <= t <= time.monotonic()  # clock ticks of 10 ms


def test_its_end_is_told_with_the_engines_exit_code(run: Callable[..., ContainerProcess], events: list[Any]):
    container = run("import sys; print('last words', flush=True); sys.exit(7)")
    ended = container.wait(20)
    assert ended is not None
    assert (ended.code, ended.out_of_memory) == (7, None)
    assert container.last_lines() == "last words"
    wait_until(lambda: events[-1][2] == "exited", within=10, what="the end is recorded")
    assert events[-1][3] == {"exit_code": 7}


def test_a_kill_by_somebody_is_a_kill_and_nothing_of_memory(run: Callable[..., ContainerProcess]):
    container = run(SLEEPS)
    assert container.signal(signal.SIGKILL)
    ended = container.wait(20)
    assert ended is not None
    assert (ended.code, ended.out_of_memory) == (-signal.SIGKILL, None)
    assert not container.signal(signal.SIGTERM)


def test_an_end_by_the_memory_limit_is_told_apart_with_the_limit(
    run: Callable[..., ContainerProcess], events: list[Any]
):
    container = run("import os; os.kill(os.getpid(), 9)", out_of_memory=True, memory=16 * MIB)
    ended = container.wait(20)
    assert ended is not None
    assert ended.code == -signal.SIGKILL
    assert ended.out_of_memory is not None
    assert ended.out_of_memory.limit_bytes == 16 * MIB
    wait_until(lambda: events[-1][2] == "exited", within=10, what="the end is recorded")
    assert events[-1][3]["out_of_memory"] is True


def test_a_child_that_was_killed_by_the_limit_is_not_the_end_of_the_process(run: Callable[..., ContainerProcess]):
    ended = run("import sys; sys.exit(3)", out_of_memory=True).wait(20)
    assert ended is not None
    assert ended.out_of_memory is None


def test_a_container_that_ended_before_anybody_looked_has_its_end(run: Callable[..., ContainerProcess]):
    container = run("import os; os.kill(os.getpid(), 9)", seen_too_late=True, out_of_memory=True, memory=16 * MIB)
    ended = container.wait(20)
    assert ended is not None
    assert (container.pid, ended.code) == (0, -signal.SIGKILL)
    assert ended.out_of_memory == OutOfMemory(16 * MIB, None)
    assert not container.signal(signal.SIGTERM)


def test_the_next_life_of_a_container_is_another_process(run: Callable[..., ContainerProcess]):
    first = run(SLEEPS)
    first.kill()
    second = run("")
    until_it_says(second, "up\nup")
    assert second.pid != first.pid
    assert second.exit is None
    assert first.exit is not None


def test_what_the_engine_refuses_is_an_error_with_its_words(run: Callable[..., ContainerProcess]):
    with pytest.raises(ProcessError, match=r"cannot start the bridge: .*no such file or directory: python"):
        run(SLEEPS, refusal="no such file or directory: python")


def test_a_start_of_which_the_engine_knows_nothing_is_made_again(
    fake: FakeEngine, run: Callable[..., ContainerProcess]
):
    container = run(SLEEPS, ignored_starts=2)
    until_it_says(container, "up")
    assert len([line for line in fake.said() if line.startswith("start")]) == 3


def test_an_engine_that_never_starts_it_is_an_error(run: Callable[..., ContainerProcess]):
    with pytest.raises(ProcessError, match="its client ended 3 times without having started it"):
        run(SLEEPS, ignored_starts=3)


def test_a_container_that_is_not_there_is_an_error(fake: FakeEngine, tmp_path: Path):
    with pytest.raises(ProcessError, match="No such container: one"):
        start_container(fake.engine, "bridge", "one", tmp_path / "bridge.log")


def test_a_process_in_another_containers_group_is_not_taken_for_it(run: Callable[..., ContainerProcess]):
    with pytest.raises(ProcessError, match="is not to be seen as process"):
        run("import time; time.sleep(2)", id="f0f0f0")


def test_one_that_heeds_sigterm_is_not_killed(run: Callable[..., ContainerProcess]):
    container = run("import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(3))\nprint('up', flush=True)\n"
                    "time.sleep(600)")  # fmt: skip
    until_it_says(container, "up")
    assert container.stop().code == 3


def test_one_that_ignores_sigterm_is_killed(run: Callable[..., ContainerProcess]):
    container = run(DEAF)
    until_it_says(container, "up")
    assert container.stop(0.2).code == -signal.SIGKILL


def test_an_engine_that_is_gone_leaves_an_end_and_no_hanging_wait(
    fake: FakeEngine, run: Callable[..., ContainerProcess]
):
    container = run(SLEEPS)
    (fake.folder / "broken").write_text("Cannot connect to the Docker daemon")
    os.kill(container.pid, signal.SIGTERM)
    ended = container.wait(20)
    assert ended is not None
    assert ended.out_of_memory is None


def test_its_mark_finds_no_other_process(run: Callable[..., ContainerProcess]):
    assert keeper.marked(run(SLEEPS).mark) == []

"""What tests of the running half share: real processes on loopback, and a count of what is left of them."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.child_environment import child_environment
from harness.control import Control
from harness.processes import Process, Processes
from harness.rigs import RIGS
from harness.runner import run_scenario
from harness.scenario import Scenario

PLAIN_BRIDGE = Path(__file__).with_name("stand_ins") / "plain_bridge.py"


@pytest.fixture
def events() -> list[tuple[float, str, str, dict[str, object]]]:
    """What `Processes` told: moment, role, action, facts."""
    return []


@pytest.fixture
def processes(events: list[tuple[float, str, str, dict[str, object]]]) -> Iterator[Processes]:
    started = Processes(lambda t, process, action, facts: events.append((t, process.role, action, facts)))
    yield started
    started.close()


@pytest.fixture
def start(processes: Processes, tmp_path: Path) -> Callable[..., Process]:
    """Start a Python program given as text."""

    def start_script(script: str, *, role: str = "child") -> Process:
        command = [sys.executable, "-c", script]
        return processes.start(role, command, env=child_environment({}), log=tmp_path / f"{role}.log")

    return start_script


@pytest.fixture
def start_observer(processes: Processes, tmp_path: Path) -> Iterator[Callable[..., tuple[Process, Control, int]]]:
    """Start the sink or the relay as the embedded rig does; gives the process, its control and its port."""
    with contextlib.ExitStack() as open_until_the_end:

        def start_it(role: str, *arguments: str) -> tuple[Process, Control, int]:
            ours, theirs = socket.socketpair()
            command = [sys.executable, "-m", f"harness.observers.{role}", *arguments]
            command += ["--control-fd", str(theirs.fileno())]
            log = tmp_path / f"{role}.log"
            with theirs:
                process = processes.start(
                    role, command, env=child_environment({}), log=log, pass_fds=(theirs.fileno(),)
                )
            control = Control(ours, role)
            open_until_the_end.callback(control.close)
            return process, control, int(control.ready(20.0)["port"])

        yield start_it


def scenario(**wanted: object) -> Scenario:
    """A short scenario; what is given replaces what stands here."""
    document = {
        "name": "short",
        "what": "a short run of a stand-in",
        "why": "the runner is what is tested",
        "job": {"write_period": 0.1},
        "bridge": {"interval": 0.05},
        "warm_up": 0.1,
        "timeline": [{"steady": 0.3}],
        "checks": [{"check": "alive", "promise": "shutdown"}],
    }
    return Scenario.from_record({**document, **wanted})


def left_of(run_dir: Path) -> list[str]:
    """Command lines of all processes on this machine that have to do with the run's folder."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            files = [file.path for file in process.open_files()]  # its log, for one
            if str(run_dir) in " ".join((*process.cmdline(), *process.environ().values(), *files)):
                left.append(" ".join(process.cmdline()))
    return left


class OneRun:
    """A run of the plain bridge, in the calling thread or beside it."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.interrupt = threading.Event()
        self.said: list[str] = []

    def __call__(self, of: Scenario, nature: str = "", **replaced: object) -> None:
        environment = {**of.bridge.env, **({"STAND_IN": nature} if nature else {})}
        bridge = of.bridge.model_copy(update={"env": environment})
        wanted: dict[str, Any] = {
            "rig": RIGS["embedded"],
            "bridge_command": [sys.executable, str(PLAIN_BRIDGE)],
            "run_dir": self.run_dir,
            "seed": 1,
            "interrupt": self.interrupt,
            "progress": self.said.append,
        }
        run_scenario(of.model_copy(update={"bridge": bridge}), **{**wanted, **replaced})


@pytest.fixture
def one_run(tmp_path: Path) -> OneRun:
    return OneRun(tmp_path / "run")


@pytest.fixture
def short() -> Callable[..., Scenario]:
    return scenario


@pytest.fixture
def count_left() -> Callable[[Path], list[str]]:
    return left_of


@pytest.fixture
def teach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Puts a kubectl on PATH that answers what it is taught."""
    fake = Path(__file__).parent / "stand_ins" / "fake_kubectl.py"
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_KUBECTL", str(tmp_path))

    def set_answers(answers: dict[str, Any]) -> None:
        (tmp_path / "answers.json").write_text(json.dumps(answers), encoding="utf-8")

    return set_answers

"""A rig that breaks is never blamed on the bridge: the right exit code, and a sentence that tells what to do."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import doctor
from harness.command_line import cli
from harness.ports import HeldPort
from harness.programs import COLLECTOR
from harness.record_folder import load
from harness.rigs import RIGS
from harness.rigs.local import Local
from harness.starter import Starter
from harness.waiting import wait_until

HARNESS_ERROR, NOTHING_RUN = 4, 2
SCENARIO = """\
name: sabotaged
what: A short run in which the rig itself breaks.
why: The harness must say so and not blame the bridge.
job: {write_period: 200ms}
bridge: {interval: 100ms}
warm_up: 100ms
timeline:
  - steady: 30s
checks:
  - {check: alive, promise: survives-bad-input}
"""
NEEDS_PROMETHEUS = SCENARIO + "  - {check: counter-increase, promise: collector-outage}\n"

real = pytest.mark.skipif(bool(RIGS["local"].lacking()), reason="; ".join(RIGS["local"].lacking()))


@dataclass
class Outcome:
    code: int
    said: str


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Outcome]:
    """Run the command in this process, on rigs of the test's choice."""

    def run_it(*arguments: str, scenario: str = SCENARIO, **rigs: object) -> Outcome:
        file = tmp_path / "sabotaged.yaml"
        file.write_text(scenario)
        words = ["run", str(file), "--out", str(tmp_path / "runs"), *arguments]
        result = CliRunner().invoke(cli, words, obj=Starter({**RIGS, **rigs}))
        return Outcome(result.exit_code, " ".join(result.output.split()))

    return run_it


@contextlib.contextmanager
def in_the_middle(tmp_path: Path, do: Callable[[Path], None]) -> Iterator[None]:
    """Do something as soon as the run's steady phase has begun."""

    def when_steady() -> None:
        wait_until(lambda: steady_run(tmp_path) is not None, within=30, what="a run in its steady phase")
        do(steady_run(tmp_path) or tmp_path)

    thread = threading.Thread(target=when_steady)
    thread.start()
    try:
        yield
    finally:
        thread.join(35)


def steady_run(tmp_path: Path) -> Path | None:
    for events in (tmp_path / "runs").glob("*/events.jsonl"):
        if '"phase":"steady"' in events.read_text():
            return events.parent
    return None


def pid_of(run_dir: Path, role: str) -> int:
    events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
    return next(event["data"]["pid"] for event in events if event["data"].get("role") == role)


def killing(role: str) -> Callable[[Path], None]:
    return lambda run_dir: os.kill(pid_of(run_dir, role), signal.SIGKILL)


def error_of(tmp_path: Path) -> str:
    (record,) = (tmp_path / "runs").glob("*/run.json")
    return load(record.parent).meta.error or ""


def test_a_missing_program_means_not_run_with_how_to_get_it(run: Callable[..., Outcome]):
    outcome = run("--rig", "local", local=Local(folders=[]))
    assert outcome.code == NOTHING_RUN
    assert "NOT RUN" in outcome.said
    for name in ("otelcol", "toxiproxy-server", "prometheus", "nox -s tools"):
        assert name in outcome.said


@real
def test_a_program_that_is_removed_before_its_start_is_named(run: Callable[..., Outcome], tmp_path: Path):
    class Removed(Local):
        def lacking(self) -> tuple[str, ...]:
            return ()

    outcome = run("--rig", "local", local=Removed(folders=[tmp_path]))
    assert outcome.code == HARNESS_ERROR
    assert "otelcol" in error_of(tmp_path)
    assert "nox -s tools" in error_of(tmp_path)


def test_a_program_that_cannot_be_run_is_found_by_the_doctor(tmp_path: Path):
    broken = tmp_path / COLLECTOR.name
    broken.write_text("#!/bin/sh\necho no such luck\nexit 3\n")
    broken.chmod(0o755)
    (found,) = doctor.examine(["local"], {"local": Local(folders=[tmp_path])}, [tmp_path])
    said = doctor.draw([found])
    assert found.missing
    assert "ended with 3 and said no such luck" in said
    assert said.startswith("local: cannot run here")
    assert "nox -s tools" in said


@real
def test_a_collector_without_our_components_is_found_by_the_doctor(tmp_path: Path):
    poor = tmp_path / COLLECTOR.name
    poor.write_text("#!/bin/sh\n[ $1 = validate ] && echo unknown type: prometheus && exit 1\necho otelcol 0.155.0\n")
    poor.chmod(0o755)
    (found,) = doctor.examine(["local"], {"local": Local()}, [tmp_path])
    assert any("unknown type: prometheus" in one for one in found.missing)


@real
def test_the_doctor_finds_nothing_missing_where_the_programs_are():
    result = CliRunner().invoke(cli, ["doctor", "--rig", "local"])
    assert result.exit_code == 0
    assert "local: can run" in result.output


class TakenPort(HeldPort):
    """A port of the system's choice on which somebody listens already."""

    def __init__(self) -> None:
        super().__init__()
        self._held.listen()


@real
def test_a_port_that_is_taken_ends_the_run_with_what_the_program_said(run: Callable[..., Outcome], tmp_path: Path):
    outcome = run("--rig", "local", local=Local(new_port=TakenPort))
    assert outcome.code == HARNESS_ERROR
    assert "address already in use" in error_of(tmp_path)
    assert "collector.log" in error_of(tmp_path)


@pytest.mark.parametrize("rig", ["embedded", pytest.param("local", marks=real)])
def test_a_sink_that_dies_in_the_middle_is_no_fault_of_the_bridge(
    rig: str, run: Callable[..., Outcome], tmp_path: Path
):
    with in_the_middle(tmp_path, killing("sink")):
        outcome = run("--rig", rig)
    assert outcome.code == HARNESS_ERROR
    assert "the sink ended in the middle of the run" in outcome.said
    assert "run again, and see sink.log" in error_of(tmp_path)


@real
@pytest.mark.parametrize("role", ["toxiproxy", "collector", "prometheus"])
def test_a_program_that_dies_in_the_middle_is_no_fault_of_the_bridge(
    role: str, run: Callable[..., Outcome], tmp_path: Path
):
    with in_the_middle(tmp_path, killing(role)):
        outcome = run("--rig", "local", scenario=NEEDS_PROMETHEUS)
    assert outcome.code == HARNESS_ERROR
    assert f"the {role} ended in the middle of the run with code -9" in outcome.said
    assert f"{role}.log" in error_of(tmp_path)


@real
def test_a_toxiproxy_that_stands_still_is_no_fault_of_the_bridge(run: Callable[..., Outcome], tmp_path: Path):
    hanging: list[int] = []

    def stop_it(run_dir: Path) -> None:
        hanging.append(pid_of(run_dir, "toxiproxy"))
        os.kill(hanging[0], signal.SIGSTOP)

    of = SCENARIO.replace("steady: 30s", "steady: 1s\n  - {fault: collector-refused, for: 200ms}")
    with in_the_middle(tmp_path, stop_it):
        outcome = run("--rig", "local", scenario=of, local=Local(call_seconds=0.5))
    assert outcome.code == HARNESS_ERROR  # the bridge could not deliver, and is not blamed for it
    assert "the toxiproxy (pid" in outcome.said
    assert "was stopped by somebody's signal" in outcome.said


def test_a_sink_whose_disk_is_full_ends_the_run_instead_of_refusing_data(run: Callable[..., Outcome], tmp_path: Path):
    def fill(run_dir: Path) -> None:
        size = (run_dir / "exports.jsonl").stat().st_size
        resource.prlimit(pid_of(run_dir, "sink"), resource.RLIMIT_FSIZE, (size, size))

    with in_the_middle(tmp_path, fill):
        outcome = run()
    assert outcome.code == HARNESS_ERROR
    assert "cannot write" in outcome.said
    assert "make room there" in outcome.said


def test_a_record_whose_disk_is_full_ends_the_run(
    run: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # The limit is this whole process': what is imported meanwhile must leave no half-written bytecode behind.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(run_dir: Path) -> None:
        size = min((run_dir / name).stat().st_size for name in ("events.jsonl", "resources.jsonl"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            wait_until(lambda: says_it(tmp_path), within=20, what="the run's end")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with in_the_middle(tmp_path, fill):
        outcome = run()
    assert outcome.code == HARNESS_ERROR
    assert "File too large" in outcome.said
    assert "make room there, or give another folder with --out" in outcome.said


def says_it(tmp_path: Path) -> bool:
    """Whether the bridge was stopped: the run was given up."""
    (log,) = (tmp_path / "runs").glob("*/bridge.log")
    return "stop" in log.read_text().lower()


def test_a_folder_that_cannot_be_written_is_an_error_with_the_mend(run: Callable[..., Outcome], tmp_path: Path):
    (tmp_path / "runs").write_text("no folder")
    outcome = run()
    assert outcome.code in {HARNESS_ERROR, 3}
    assert "runs" in outcome.said


@real
def test_a_free_port_is_still_free_after_the_run(run: Callable[..., Outcome], tmp_path: Path):
    taken: list[int] = []

    class Noted(HeldPort):
        def __init__(self) -> None:
            super().__init__()
            taken.append(self.number)

    with in_the_middle(tmp_path, killing("bridge")):
        run("--rig", "local", scenario=SCENARIO.replace("30s", "500ms"), local=Local(new_port=Noted))
    assert taken
    for number in taken:
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", number))
            again.listen()

"""The job as a process."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mock_ml_job.writer import WRITE_MODES
from tests.alone import alone

ROOT = Path(__file__).parents[2]
Start = Callable[..., "Program"]


def wait_until(condition: Callable[[], object], *, within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.005)


class Program:
    """A job that was started in a folder of its own."""

    def __init__(self, folder: Path, kind: str, environ: dict[str, str], python: tuple[str, ...]) -> None:
        self.metrics_path = folder / "shared" / "current.json"
        self.ledger_path = folder / "ledger.jsonl"
        self.control_path = folder / "control.json"
        self._stderr_path = folder / "job.log"
        with self._stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*python, "-m", "mock_ml_job", kind],
                cwd=ROOT,
                stderr=stderr,
                env={
                    **os.environ,
                    "METRICS_FILE_PATH": str(self.metrics_path),
                    "JOB_LEDGER_PATH": str(self.ledger_path),
                    "JOB_CONTROL_PATH": str(self.control_path),
                    **environ,
                },
            )

    @property
    def stderr(self) -> str:
        return self._stderr_path.read_text()

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger_path.read_text().splitlines()]

    @property
    def writes(self) -> list[dict[str, Any]]:
        return [line for line in self.ledger if line["kind"] == "write"]

    def order(self, **orders: object) -> None:
        temporary = self.control_path.with_suffix(".new")
        temporary.write_text(json.dumps(orders))
        temporary.replace(self.control_path)

    def exit_code(self, within: float = 10) -> int:
        return self.process.wait(timeout=within)

    def wait_for_a_write(self) -> None:
        wait_until(self.metrics_path.exists, within=20, what="a first write")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def start_one(kind: str, *, python: tuple[str, ...] = (sys.executable,), **environ: str) -> Program:
        programs.append(Program(tmp_path, kind, environ, python))
        return programs[-1]

    yield start_one
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def test_a_mock_job_ends_by_itself_after_its_last_batch(start: Start):
    program = start("mock", WRITE_INTERVAL="0.01", TOTAL_EPOCHS="2", BATCHES_PER_EPOCH="3", JOB_ID="a-job")
    assert program.exit_code() == 0
    assert [(w["values"]["epoch"], w["values"]["batch_number"]) for w in program.writes] == [
        (1, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3),
    ]  # fmt: skip
    assert program.ledger[0] == {
        "kind": "start",
        "t": program.ledger[0]["t"],
        "pid": program.process.pid,
        "job": "mock",
        "job_id": "a-job",
        "model_name": "resnet-50",
        "dataset": "imagenet",
        "period_seconds": 0.01,
        "write_mode": "rename",
    }
    assert program.ledger[-1]["writes"] == 7
    document = json.loads(program.metrics_path.read_bytes())
    assert document["job_metadata"]["job_id"] == "a-job"
    assert document["training_metrics"] == program.writes[-1]["values"]


@pytest.mark.parametrize("kind", ["mock", "train"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_job_at_once_with_an_end_line_and_exit_code_0(start: Start, kind: str, number: signal.Signals):
    program = start(kind, WRITE_INTERVAL="60", TOTAL_EPOCHS="1000")
    program.wait_for_a_write()
    signalled = time.monotonic()
    program.process.send_signal(number)
    assert program.exit_code() == 0
    assert program.ledger[-1]["kind"] == "end"
    assert program.ledger[-1]["t"] - signalled < 0.5
    assert len(program.writes) == 1
    assert not program.stderr


@pytest.mark.parametrize("kind", ["mock", "train"])
def test_a_job_that_is_told_to_finish_writes_once_more_and_ends(start: Start, kind: str):
    program = start(kind, WRITE_INTERVAL="60", TOTAL_EPOCHS="1000")
    program.wait_for_a_write()
    program.order(paused=False, torn_hold_seconds=0.0, finish=True)
    assert program.exit_code() == 0
    assert [line["kind"] for line in program.ledger] == ["start", "write", "control", "write", "end"]
    assert program.writes[0]["values"]["training_loss"] != program.writes[1]["values"]["training_loss"]


def test_a_killed_job_leaves_its_ledger_up_to_its_last_write(start: Start):
    program = start("mock", WRITE_INTERVAL="0.001", TOTAL_EPOCHS="1000")
    program.wait_for_a_write()
    wait_until(lambda: len(program.ledger_path.read_bytes()) > 50_000, within=10, what="some hundred writes")
    program.process.kill()
    assert program.exit_code() == -signal.SIGKILL
    sequence = round(json.loads(program.metrics_path.read_bytes())["training_metrics"]["training_loss"] * 10**11)
    assert sequence % 10**8 - len(program.writes) in {0, 1}  # killed between a write and its line, or not


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_write_costs_little_enough_for_1000_a_second(start: Start, mode: str):
    def cpu_seconds(number: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = start("mock", WRITE_INTERVAL="0", TOTAL_EPOCHS="30", BATCHES_PER_EPOCH="100", JOB_WRITE_MODE=mode)
        assert program.exit_code(within=60) == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert len(program.writes) == 3001 * number
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Half a core at 1000 a second, and the start of Python is in it. The least of three: whatever else a machine does
    # can only add, and beside a busy neighbour half as much again was seen.
    assert min(cpu_seconds(number) for number in (1, 2, 3)) / 3001 < 0.0005


def test_a_real_training_reaches_a_good_accuracy_and_its_last_state_is_in_the_file(start: Start):
    program = start("train", WRITE_INTERVAL="0.1", TOTAL_EPOCHS="6", BATCHES_PER_EPOCH="30", BATCH_PAUSE="0")
    assert program.exit_code(within=60) == 0
    last = program.writes[-1]["values"]
    assert (last["epoch"], last["batch_number"]) == (6, 30)
    assert last["accuracy"] > 0.95
    assert last["training_loss"] < program.writes[0]["values"]["training_loss"] / 5
    document = json.loads(program.metrics_path.read_bytes())
    assert document["training_metrics"] == last
    assert "gpu_utilization" not in last


def test_wrong_settings_are_all_named_and_the_exit_code_is_2(start: Start):
    program = start("mock", WRITE_INTERVAL="often", TOTAL_EPOCHS="-1")
    assert program.exit_code() == 2
    assert [line.partition("=")[0] for line in program.stderr.splitlines()] == [
        "mock_ml_job: WRITE_INTERVAL",
        "mock_ml_job: TOTAL_EPOCHS",
    ]


def test_without_scikit_learn_the_training_names_the_extra_and_the_exit_code_is_2(start: Start, tmp_path: Path):
    # -S leaves out the installed packages.
    program = start("train", python=(sys.executable, "-S"), PYTHONPATH=str(alone("mock_ml_job", tmp_path)))
    assert program.exit_code() == 2
    assert "pip install 'ml-metrics-bridge[harness]'" in program.stderr
    assert "Traceback" not in program.stderr


def test_the_mock_job_needs_nothing_but_the_standard_library(start: Start, tmp_path: Path):
    path = str(alone("mock_ml_job", tmp_path))
    program = start("mock", python=(sys.executable, "-S"), PYTHONPATH=path, WRITE_INTERVAL="0", TOTAL_EPOCHS="1")
    assert program.exit_code() == 0


def test_a_metrics_file_that_cannot_be_written_ends_the_job_with_exit_code_1(start: Start, tmp_path: Path):
    (tmp_path / "shared").write_text("a file where the folder should be")
    program = start("mock")
    assert program.exit_code() == 1
    assert program.stderr.startswith("mock_ml_job: ")
    assert "METRICS_FILE_PATH" in program.stderr
    assert program.stderr.count("\n") == 1


def test_a_path_that_no_file_system_takes_is_a_sentence_and_exit_code_1(start: Start, tmp_path: Path):
    program = start("mock", METRICS_FILE_PATH=str(tmp_path / f"{'x' * 300}.json"))
    assert program.exit_code() == 1
    assert "name too long" in program.stderr
    assert program.stderr.count("\n") == 1


def test_a_training_leaves_the_other_cores_alone(start: Start):
    program = start("train", WRITE_INTERVAL="60", TOTAL_EPOCHS="1000")
    program.wait_for_a_write()
    threads = list(Path(f"/proc/{program.process.pid}/task").iterdir())
    assert len(threads) == 1

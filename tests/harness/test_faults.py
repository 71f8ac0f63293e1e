"""Every fault takes on the real rig, is seen to hold, heals; and each verify says no where the fault did not take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import faults
from harness.faults import FAULTS, FaultError
from harness.faults.file import CONTENTS, is_json_object
from harness.faults.http2_probe import Dialled
from harness.job_control import JobControl
from harness.processes import Processes
from harness.rigs import RIGS, Setting
from harness.rigs.embedded import EmbeddedStanding
from harness.scenario import Scenario
from harness.waiting import InterruptedRunError, Patience, WaitedTooLongError, wait_until

PARAMETERS: dict[str, dict[str, object]] = {
    "job-torn-writes": {"hold": "50ms"},
    "job-spoils-fields": {"by": "true"},
}
GOOD = b'{"training_metrics": {"training_loss": 0.5}}'


class LyingDoor(Dialled):
    """Says what is wanted and does nothing: the port of a healthy collector behind it."""

    host = "127.0.0.1"

    def __init__(self, port: int, says: str) -> None:
        self.port = port
        self.says = says

    def set_mode(self, mode: str) -> None:
        """Do nothing."""

    def mode(self) -> str:
        return self.says


@pytest.fixture
def interrupt():
    return threading.Event()


@pytest.fixture
def standing(short: Callable[..., Scenario], processes: Processes, tmp_path: Path, interrupt: threading.Event):
    """The embedded rig with the mock job writing every 100 ms."""
    up = RIGS["embedded"].up(Setting(short(), tmp_path, 1, processes, Patience(interrupt)))
    up.start_job()
    wait_until(up.ground.metrics_file.exists, within=10, what="the job's first write")
    yield up
    up.down()


ON_THIS_RIG = [
    name
    for name, kind in FAULTS.items()
    # What is done to the bridge has a file of its own, with a bridge; what needs more than this rig, too.
    if kind.needs <= RIGS["embedded"].offers and not name.startswith("bridge-")
]


@pytest.mark.parametrize("name", ON_THIS_RIG)
def test_a_fault_is_seen_only_between_inject_and_heal(name: str, standing: EmbeddedStanding):
    fault = faults.build(name, PARAMETERS.get(name, {}), standing.ground)
    before = fault.verify()
    assert not before.ok, before.evidence
    assert fault.inject()
    for _ in range(2):
        while_it_holds = fault.verify()
        assert while_it_holds.ok, while_it_holds.evidence
    assert fault.heal()
    written = standing.ground.metrics_file.stat().st_mtime_ns if standing.ground.metrics_file.exists() else 0
    wait_until(
        lambda: standing.ground.metrics_file.exists() and standing.ground.metrics_file.stat().st_mtime_ns > written,
        within=5,
        what="the job writes after the heal",
    )
    after = fault.verify()
    assert not after.ok, after.evidence


@pytest.mark.parametrize("content", CONTENTS)
def test_no_malformed_content_is_a_json_object(content: str):
    assert not is_json_object(CONTENTS[content](GOOD))
    assert is_json_object(GOOD)


@pytest.mark.parametrize("name", ["file-missing", "file-malformed"])
def test_a_file_that_somebody_put_back_during_the_fault_is_seen(name: str, standing: EmbeddedStanding):
    fault = faults.build(name, {}, standing.ground)
    fault.inject()
    standing.ground.metrics_file.write_bytes(GOOD)
    seen = fault.verify()
    assert not seen.ok
    assert "current.json" in seen.evidence


def test_a_file_that_is_bad_in_another_way_than_was_wanted_is_seen(standing: EmbeddedStanding):
    fault = faults.build("file-malformed", {"content": "not-json"}, standing.ground)
    fault.inject()
    standing.ground.metrics_file.write_bytes(b"")
    assert not fault.verify().ok


def test_a_job_that_does_not_take_up_an_order_is_found_out(tmp_path: Path):
    job = JobControl(tmp_path / "control", tmp_path / "ledger", 0.1, lambda: True, within_seconds=0.1)
    with pytest.raises(WaitedTooLongError, match="paused"):
        job.pause(True)


def test_an_order_that_was_taken_up_before_is_not_mistaken_for_the_answer_to_the_next(tmp_path: Path):
    (tmp_path / "ledger").write_text(
        '{"kind":"control","t":1.0,"applied":{"paused":true,"torn_hold_seconds":0.0,"finish":false}}\n'
    )
    job = JobControl(tmp_path / "control", tmp_path / "ledger", 0.1, lambda: True, within_seconds=0.1)
    with pytest.raises(WaitedTooLongError):
        job.pause(True)


def test_the_same_order_twice_needs_no_second_answer(standing: EmbeddedStanding):
    standing.ground.job.pause(True)
    began = time.monotonic()
    standing.ground.job.pause(True)
    assert time.monotonic() - began < 0.02


def test_a_file_that_does_not_stay_missing_because_the_job_never_paused_is_seen(standing: EmbeddedStanding):
    fault = faults.build("file-missing", {}, standing.ground)
    fault.inject()
    standing.ground.job.pause(False)
    wait_until(standing.ground.metrics_file.exists, within=5, what="the job writes on")
    assert not fault.verify().ok


def test_writes_that_are_never_torn_are_no_torn_writes(standing: EmbeddedStanding):
    fault = faults.build("job-torn-writes", {"hold": "50ms"}, standing.ground)
    seen = fault.verify()
    assert not seen.ok
    assert "0 torn writes" in seen.evidence


@pytest.mark.parametrize(("name", "mode"), [("collector-refused", "refuse"), ("collector-silent", "silent")])
def test_a_door_that_only_says_that_it_is_shut_is_found_out(name: str, mode: str, standing: EmbeddedStanding):
    door = LyingDoor(standing.ground.collector.port, says=mode)
    fault = faults.build(name, {}, replace(standing.ground, collector=door))
    fault.inject()
    seen = fault.verify()
    assert not seen.ok, seen.evidence


@pytest.mark.parametrize(("name", "other"), [("collector-refused", "silent"), ("collector-silent", "refuse")])
def test_one_way_to_be_away_is_not_taken_for_the_other(name: str, other: str, standing: EmbeddedStanding):
    fault = faults.build(name, {}, standing.ground)
    standing.ground.collector.set_mode(other)
    assert not fault.verify().ok


def test_a_refusing_port_whose_relay_says_otherwise_is_not_believed(standing: EmbeddedStanding):
    standing.ground.collector.set_mode("refuse")
    door = LyingDoor(standing.ground.collector.port, says="forward")
    assert not faults.build("collector-refused", {}, replace(standing.ground, collector=door)).verify().ok


@pytest.mark.parametrize("name", ["file-missing", "file-malformed", "job-paused", "job-torn-writes"])
def test_a_job_that_has_ended_takes_no_fault_and_needs_no_heal(name: str, standing: EmbeddedStanding):
    standing.ground.job.finish()
    wait_until(lambda: not standing.ground.job.alive, within=5, what="the job's end")
    fault = faults.build(name, PARAMETERS.get(name, {}), standing.ground)
    with pytest.raises(FaultError, match="ended"):
        fault.inject()
    assert "ended" in fault.heal()


def test_an_interrupt_ends_a_verify_that_looks_for_long(standing: EmbeddedStanding, interrupt: threading.Event):
    fault = faults.build("job-torn-writes", {"hold": "10s"}, standing.ground)
    threading.Timer(0.2, interrupt.set).start()
    began = time.monotonic()
    with pytest.raises(InterruptedRunError):
        fault.verify()
    assert time.monotonic() - began < 2


def test_a_malformed_file_needs_a_good_one_to_be_made_of(standing: EmbeddedStanding):
    standing.ground.job.pause(True)
    standing.ground.metrics_file.unlink()
    with pytest.raises(FaultError, match="no good file"):
        faults.build("file-malformed", {}, standing.ground).inject()


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("file-mising", {}, "file-missing"),
        ("file-malformed", {"content": "odd"}, "content"),
        ("file-missing", {"for": 1}, "for"),
        ("job-torn-writes", {"hold": "-1s"}, "hold"),
    ],
)
def test_a_fault_that_there_is_not_is_named_with_its_problem(name: str, parameters: dict[str, object], word: str):
    (problem,) = faults.problems_of(name, parameters)
    assert word in problem

"""Faults of the file's place, of what the job writes and of its life: each is seen only while it is really there."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import faults, ledger, procfs
from harness.faults import FaultError
from harness.faults.file import is_json_object
from harness.processes import Processes
from harness.rigs import RIGS, Setting
from harness.rigs.embedded import EmbeddedStanding
from harness.scenario import Scenario
from harness.waiting import Patience, wait_until

GOOD = b'{"training_metrics": {"training_loss": 0.5}}'


@pytest.fixture
def standing(short: Callable[..., Scenario], processes: Processes, tmp_path: Path):
    """The embedded rig with the mock job writing every 100 ms."""
    up = RIGS["embedded"].up(Setting(short(), tmp_path, 1, processes, Patience(threading.Event())))
    up.start_job()
    wait_until(up.ground.metrics_file.exists, within=10, what="the job's first write")
    yield up
    up.down()


def inject(standing: EmbeddedStanding, name: str, **parameters: object) -> faults.Fault:
    fault = faults.build(name, parameters, standing.ground)
    fault.inject()
    assert fault.verify().ok, fault.verify().evidence
    return fault


def until_whole(standing: EmbeddedStanding) -> None:
    path = standing.ground.metrics_file
    wait_until(lambda: path.is_file() and is_json_object(path.read_bytes()), within=5, what="a whole file")


@pytest.mark.parametrize("by", ["fifo", "folder", "socket", "link-to-nothing", "link-to-itself"])
def test_whatever_stands_in_the_files_place_makes_room_again(by: str, standing: EmbeddedStanding):
    fault = inject(standing, "file-replaced", by=by)
    fault.heal()
    until_whole(standing)
    assert not fault.verify().ok


@pytest.mark.parametrize("name", ["file-replaced", "file-huge"])
def test_a_good_file_that_somebody_put_back_is_seen(name: str, standing: EmbeddedStanding):
    fault = inject(standing, name)
    standing.ground.metrics_file.unlink()
    standing.ground.metrics_file.write_bytes(GOOD)
    seen = fault.verify()
    assert not seen.ok, seen.evidence


def test_one_thing_in_the_files_place_is_not_taken_for_another(standing: EmbeddedStanding):
    fault = inject(standing, "file-replaced", by="fifo")
    standing.ground.metrics_file.unlink()
    standing.ground.metrics_file.mkdir()
    assert not fault.verify().ok
    fault.heal()


def test_a_huge_file_takes_no_room_on_the_disk(standing: EmbeddedStanding):
    inject(standing, "file-huge", mebibytes=1024)
    assert standing.ground.metrics_file.stat().st_blocks * 512 < 1_000_000


def test_a_folder_that_somebody_made_again_is_seen_and_the_old_one_comes_back(standing: EmbeddedStanding):
    fault = inject(standing, "folder-missing")
    standing.ground.metrics_file.parent.mkdir()
    assert not fault.verify().ok
    fault.heal()
    until_whole(standing)


def test_a_permission_that_was_given_back_is_seen(standing: EmbeddedStanding):
    fault = inject(standing, "file-permission-taken")
    standing.ground.metrics_file.chmod(0o644)
    seen = fault.verify()
    assert not seen.ok
    assert "not denied" in seen.evidence


def test_a_permission_is_given_back_as_it_was(standing: EmbeddedStanding):
    standing.ground.job.pause(True)
    standing.ground.metrics_file.chmod(0o604)
    fault = inject(standing, "file-permission-taken")
    standing.ground.job.end()
    fault.heal()
    assert stat.S_IMODE(standing.ground.metrics_file.stat().st_mode) == 0o604


@pytest.mark.parametrize("by", ["ending", "killing", "dying-mid-write"])
@pytest.mark.parametrize("back_as", ["the-same", "another"])
def test_a_job_that_is_gone_comes_back_as_a_new_process_with_a_ledger_of_its_own(
    by: str, back_as: str, standing: EmbeddedStanding, tmp_path: Path
):
    before = (standing.ground.job.pid, standing.ground.job.job_id)
    fault = inject(standing, "job-gone", by=by, back_as=back_as)
    assert is_json_object(standing.ground.metrics_file.read_bytes()) == (by != "dying-mid-write")
    fault.heal()
    assert not fault.verify().ok
    wait_until(lambda: standing.ground.job.writes() > 0, within=5, what="the new job notes its first write")
    made = ledger.merged([ledger.read(path) for path in ledger.paths(tmp_path)])
    first, second = made.processes
    assert (first.pid, first.job_id) == before
    assert second.pid == standing.ground.job.pid != first.pid
    assert (first.job_id == second.job_id) == (back_as == "the-same")
    assert (first.ended is None) == (by != "ending")
    losses = [write.values["training_loss"] for write in made.writes]
    assert len(set(losses)) == len(losses)
    begun = next(write for write in made.writes if write.process == 2)
    assert (begun.values["epoch"], begun.values["batch_number"]) == (1, 0)


def test_a_job_that_somebody_started_again_is_not_gone(standing: EmbeddedStanding):
    fault = inject(standing, "job-gone")
    standing.ground.job.start()
    seen = fault.verify()
    assert not seen.ok
    assert "runs" in seen.evidence


def test_a_job_that_died_between_two_writes_did_not_die_mid_write(standing: EmbeddedStanding):
    fault = faults.build("job-gone", {"by": "dying-mid-write"}, standing.ground)
    standing.ground.job.pause(True)
    standing.ground.job.end(kill=True)
    seen = fault.verify()
    assert not seen.ok
    assert "a whole file" in seen.evidence


def test_a_job_that_goes_on_does_not_hang(standing: EmbeddedStanding):
    fault = inject(standing, "job-hangs")
    pid = standing.ground.job.pid
    assert pid is not None
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: procfs.state(pid) != "T", within=5, what="the process goes on")
    assert not fault.verify().ok


def test_a_frozen_job_can_still_be_ended(standing: EmbeddedStanding):
    inject(standing, "job-hangs")
    standing.ground.job.end()
    assert not standing.ground.job.alive


def test_fields_that_are_whole_or_spoiled_by_something_else_are_seen(standing: EmbeddedStanding):
    fault = inject(standing, "job-spoils-fields", by="true")
    standing.ground.job.spoil(("accuracy", "epoch"), "1")  # which Python takes for equal to true
    seen = fault.verify()
    assert not seen.ok
    assert "wanted 2" in seen.evidence


def test_a_field_that_nobody_named_is_left_alone(standing: EmbeddedStanding):
    inject(standing, "job-spoils-fields", by="NaN", fields=["training_loss"])
    document = json.loads(standing.ground.metrics_file.read_bytes(), parse_constant=str)
    assert [name for name, value in document["training_metrics"].items() if value == "NaN"] == ["training_loss"]


def test_what_would_break_the_whole_file_is_no_spoiled_field(standing: EmbeddedStanding):
    with pytest.raises(FaultError, match="whole file"):
        faults.build("job-spoils-fields", {"by": '"half'}, standing.ground)


def test_files_whose_time_goes_forward_again_are_seen(standing: EmbeddedStanding):
    fault = inject(standing, "job-backdates-writes")
    standing.ground.job.backdate(False)
    before = standing.ground.metrics_file.stat().st_mtime
    wait_until(lambda: standing.ground.metrics_file.stat().st_mtime > before, within=5, what="a younger file")
    assert not fault.verify().ok


@pytest.mark.parametrize("named", ["another", "the-same"])
def test_two_writers_are_two_only_while_both_write(named: str, standing: EmbeddedStanding):
    fault = inject(standing, "job-second-writer", named=named)
    standing.ground.job.pause(True)
    seen = fault.verify()
    assert not seen.ok
    assert "0," in seen.evidence
    standing.ground.job.pause(False)
    assert fault.verify().ok
    standing.ground.job.end_second()
    assert not fault.verify().ok

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness import memory_folder, procfs
from harness.waiting import wait_until

SHM = memory_folder.PLACES[0]
on_tmpfs = pytest.mark.skipif(
    procfs.mounted_file_systems().get(SHM) != "tmpfs" or not os.access(SHM, os.W_OK), reason="no tmpfs at /dev/shm"
)


def promise(kept: list[list[str]]) -> Callable[[Sequence[str]], Callable[[], None]]:
    def after_death(command: Sequence[str]) -> Callable[[], None]:
        kept.append(list(command))
        return lambda: kept.remove(list(command))

    return after_death


@on_tmpfs
def test_a_folder_in_memory_is_promised_to_be_removed_before_it_is_made_and_removed_at_the_end(tmp_path: Path):
    kept: list[list[str]] = []
    made = memory_folder.make(tmp_path, promise(kept))
    assert made.file_system == "tmpfs"
    assert kept == [["rm", "-rf", "--", str(made.path)]]
    (made.path / "metrics").mkdir()
    made.close()
    assert not made.path.exists()
    assert kept == []


@pytest.mark.parametrize("places", [[], ["elsewhere"]])
def test_without_a_tmpfs_it_is_the_runs_own_folder_which_stays(tmp_path: Path, places: list[str]):
    kept: list[list[str]] = []
    made = memory_folder.make(tmp_path, promise(kept), [tmp_path / place for place in places])
    assert made.path == tmp_path
    assert kept == []
    assert made.file_system
    made.close()
    assert tmp_path.exists()


def test_where_it_is_not_wanted_it_is_the_runs_own_folder(tmp_path: Path):
    assert memory_folder.make(tmp_path, None).path == tmp_path


@on_tmpfs
def test_where_there_is_little_room_the_disk_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory_folder, "ROOM_BYTES_MIN", 1 << 62)
    assert memory_folder.make(tmp_path, promise([])).path == tmp_path


@on_tmpfs
def test_what_a_harness_left_that_is_gone_is_removed_by_the_next_one(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    left = SHM / f"bridge-harness-{gone.pid}-1.00-0123456789abcdef"
    left.mkdir()
    mine = memory_folder.make(tmp_path, promise([]))
    again = memory_folder.make(tmp_path, promise([]))
    assert not left.exists()
    assert mine.path.exists()  # that of a harness which lives is left alone
    mine.close()
    again.close()


KILLED = """
import sys, time
from pathlib import Path
from harness import memory_folder
from harness.processes import Processes
made = memory_folder.make(Path(sys.argv[1]), Processes(lambda *_: None).after_death)
print(made.path, flush=True)
time.sleep(600)
"""


@on_tmpfs
def test_a_harness_that_is_killed_leaves_no_folder(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        path = Path(harness.stdout.readline().strip())
        assert path.is_dir()
        harness.send_signal(signal.SIGKILL)
        harness.wait(10)
        wait_until(lambda: not path.exists(), within=10, what="the folder is gone")

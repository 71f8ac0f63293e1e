"""The hand in a pod, without a pod: its protocol, its files, what it sees."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from harness import procfs
from harness.control import ControlError
from harness.hands import Hand, ObserverInPod, PodFile
from harness.keeper import MARK
from harness.waiting import wait_until


class NoCluster:
    """Starts the hand here, where kubectl would start it in a pod."""

    def talk(self, *command: str, log: IO[bytes]) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        program = [sys.executable, *command[command.index("python") + 1 :]]
        with theirs:
            return subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=log), ours


@pytest.fixture
def a_hand(tmp_path: Path) -> Iterator[Hand]:
    held = Hand(NoCluster(), "a-pod", "hand", tmp_path / "hand.log")  # type: ignore[arg-type]
    yield held
    held.close()


@pytest.fixture
def there(a_hand: Hand, tmp_path: Path) -> PodFile:
    return PodFile(lambda: a_hand, str(tmp_path / "current.json"))


def test_a_file_is_written_read_looked_at_and_removed(there: PodFile, tmp_path: Path):
    assert there.name == "current.json"
    assert there.write_bytes(b"\x00\xff{}") == 4
    assert there.read_bytes() == (tmp_path / "current.json").read_bytes() == b"\x00\xff{}"
    here = (tmp_path / "current.json").stat()
    assert (there.stat().st_ino, there.stat().st_mtime_ns, there.stat().st_size) == (here.st_ino, here.st_mtime_ns, 4)
    there.unlink()
    there.unlink(missing_ok=True)
    assert not (tmp_path / "current.json").exists()
    for look in (there.stat, there.lstat, there.read_bytes, there.unlink):
        with pytest.raises(FileNotFoundError):
            look()


def test_a_file_is_renamed_over_another_and_a_link_is_looked_at_itself(there: PodFile, tmp_path: Path):
    other = there.with_name("current.json.fault")
    other.write_bytes(b"new")
    other.replace(there)
    assert there.read_bytes() == b"new"
    (tmp_path / "link").symlink_to("nothing")
    assert stat.S_ISLNK(there.with_name("link").lstat().st_mode)
    with pytest.raises(FileNotFoundError):
        there.with_name("link").stat()


def test_what_cannot_be_done_there_is_an_error_here(a_hand: Hand, there: PodFile):
    with pytest.raises(OSError, match="IsADirectoryError"):
        there.with_name("").write_bytes(b"")
    with pytest.raises(ControlError, match="no command"):
        a_hand.ask("dance")


def test_a_hand_that_is_gone_is_an_error_and_no_answer(a_hand: Hand, there: PodFile):
    a_hand.close()
    assert not a_hand.alive
    with pytest.raises(OSError, match="hand"):
        there.read_bytes()


def test_the_clock_of_this_machine_is_found_to_be_ours(a_hand: Hand):
    clock = a_hand.clock()
    assert clock.is_ours
    assert clock.error_seconds < 1


def test_a_greeting_is_made_from_there(a_hand: Hand):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert a_hand.greet("127.0.0.1", port, within=0.3).end == "silence"
    assert a_hand.greet("127.0.0.1", port, within=0.3).end == "refused"


def test_a_relay_is_started_beside_it_and_asked_through_it(a_hand: Hand, tmp_path: Path):
    relay = ObserverInPod(a_hand, "relay", "--upstream", "1", "--out", str(tmp_path / "wire.jsonl"))
    assert relay.ready["port"] > 0
    assert relay.ask("state")["mode"] == "forward"
    with pytest.raises(ControlError, match="no command"):
        relay.ask("dance")


def test_the_first_process_of_a_container_is_seen_from_its_beginning_to_its_end():
    mark = f"test-{os.getpid()}-sightings"
    told = subprocess.Popen(
        [sys.executable, "-m", "harness.hand", "observe", f"--role=bridge={mark}"], stdout=subprocess.PIPE, text=True
    )
    seen: list[dict] = []
    assert told.stdout is not None
    reader = threading.Thread(target=lambda: seen.extend(map(json.loads, told.stdout or ())), daemon=True)
    reader.start()
    watched = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: mark})  # noqa: S607
    try:
        wait_until(lambda: any(one["saw"] == "cost" for one in seen), within=30, what="a sample")
        begun = next(one for one in seen if one["saw"] == "started")
        assert (begun["role"], begun["pid"]) == ("bridge", watched.pid)
        assert begun["create_time"] == procfs.create_time(watched.pid)
        watched.kill()
        watched.wait()
        wait_until(lambda: any(one["saw"] == "exited" for one in seen), within=10, what="its end")
    finally:
        watched.kill()
        told.kill()
        watched.wait()
        told.wait()
        reader.join(10)
        told.stdout.close()
    ended = next(one for one in seen if one["saw"] == "exited")
    assert ended["t"] > begun["t"]
    cost = next(one for one in seen if one["saw"] == "cost")
    assert cost["rss_bytes"] > 0


def test_the_container_s_own_process_stays_until_it_is_let_go_whatever_signal_comes(tmp_path: Path):
    let_go = tmp_path / "let-go"
    program = "import pathlib, sys; from harness import hand; hand.stay(pathlib.Path(sys.argv[1]), print)"
    with subprocess.Popen([sys.executable, "-u", "-c", program, let_go], stdout=subprocess.PIPE) as stays:
        try:
            assert stays.stdout is not None
            assert stays.stdout.readline()  # it takes signals by now
            stays.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                stays.wait(0.5)
            let_go.touch()
            assert stays.wait(10) == 0
        finally:
            stays.kill()

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from harness import procfs
from harness.observers.members import Change, Members
from harness.processes import Process
from harness.waiting import wait_until

RESTARTS_A_CHILD = """
import subprocess, sys, time
while True:
    child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"])
    print("child", child.pid, flush=True)
    child.wait()
"""
BECOMES_ANOTHER = """
import os, signal, sys, time
other = [sys.executable, "-c", "import time; time.sleep(600)"]
signal.signal(signal.SIGUSR1, lambda *_: os.execv(sys.executable, other))
print("up", flush=True)
while True: time.sleep(1)
"""


class Looks:
    """Looks at a tree by hand, at moments of its own."""

    def __init__(self, root: Process) -> None:
        self.changes: list[Change] = []
        self.t = 0.0
        self.root = root
        self.members = Members("bridge", root.pid, lambda: procfs.state(root.pid) is not None, self.changes.append)

    def look(self) -> list[Change]:
        """Look once more; gives what is new since the last look."""
        self.t += 1
        seen = len(self.changes)
        self.members.look(procfs.tree(self.root.pid), self.t)
        return self.changes[seen:]


def children(root: Process) -> list[int]:
    return [pid for pid in procfs.tree(root.pid) if pid != root.pid]


def told(changes: list[Change]) -> list[tuple[str, int]]:
    return [(change.action, change.member.pid) for change in changes]


def test_a_child_that_was_started_again_is_told_as_one_that_ended_and_one_that_began(start: Callable[..., Process]):
    root = start(RESTARTS_A_CHILD)
    wait_until(lambda: root.log.read_text().count("up") == 1, within=10, what="the child is up")
    looks = Looks(root)
    (first,) = children(root)
    assert sorted(told(looks.look())) == sorted([("began", root.pid), ("began", first)])
    assert looks.look() == []
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: root.log.read_text().count("up") == 2, within=10, what="the child was started again")
    (second,) = children(root)
    changes = looks.look()
    assert told(changes) == [("ended", first), ("began", second)]
    assert changes[0].unseen_seconds == 1
    assert changes[0].member.command == changes[1].member.command != ""


def test_a_process_that_became_another_program_is_told(start: Callable[..., Process]):
    root = start(BECOMES_ANOTHER)
    wait_until(lambda: "up" in root.log.read_text(), within=10, what="it is up")
    looks = Looks(root)
    assert told(looks.look()) == [("began", root.pid)]
    before = procfs.image(root.pid)
    root.signal(signal.SIGUSR1)
    wait_until(lambda: procfs.image(root.pid) != before, within=10, what="it is another program")
    assert told(looks.look()) == [("ended", root.pid), ("began", root.pid)]


def test_what_ends_with_its_root_is_not_told(start: Callable[..., Process]):
    root = start(RESTARTS_A_CHILD)
    wait_until(lambda: root.log.read_text().count("up") == 1, within=10, what="the child is up")
    looks = Looks(root)
    looks.look()
    root.kill()
    assert looks.look() == []


def test_a_child_that_left_the_tree_is_still_known(start: Callable[..., Process]):
    root = start(
        "import subprocess, sys, time\nsubprocess.Popen(['sleep', '600'])\nprint('up', flush=True)\ntime.sleep(600)"
    )
    wait_until(lambda: "up" in root.log.read_text(), within=10, what="it is up")
    looks = Looks(root)
    looks.look()
    assert set(looks.members.look([root.pid], 9.0)) == {root.pid, *children(root)}
    assert "ended" not in {change.action for change in looks.changes}


@pytest.mark.parametrize("pid", [2**22 + 1])
def test_a_pid_that_nobody_has_is_no_member(start: Callable[..., Process], pid: int):
    root = start("import time; time.sleep(600)")
    looks = Looks(root)
    assert looks.members.look([root.pid, pid], 1.0) == [root.pid]

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import keeper, moments, own_orphans, procfs, started
from harness import processes as room
from harness.child_environment import child_environment
from harness.processes import Process, ProcessError, Processes, new_mark
from harness.waiting import Patience, wait_until

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def until_it_says(process: Process, word: str) -> str:
    wait_until(lambda: word in process.log.read_text(), within=10, what=f"{process.role} says {word!r}")
    return process.log.read_text()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_leads_a_session_of_its_own_and_prints_into_its_log(start: Callable[..., Process]):
    child = start(SLEEPS)
    until_it_says(child, "up")
    assert os.getsid(child.pid) == child.pid
    assert os.getpgid(child.pid) == child.pid


def test_the_end_of_a_child_is_told_at_once_with_its_code(start: Callable[..., Process], events: list[Any]):
    child = start("import time; time.sleep(0.2); raise SystemExit(7)")
    ended = child.wait(10)
    assert ended is not None
    assert ended.code == 7
    assert time.monotonic() - ended.t < 0.2
    assert [(role, action) for _, role, action, _ in events] == [("child", "started"), ("child", "exited")]
    assert events[-1][3] == {"exit_code": 7}


def test_a_program_that_does_not_exist_is_an_error_with_its_name(processes: Processes, tmp_path: Path):
    with pytest.raises(ProcessError, match="no-such-program"):
        processes.start("bridge", ["no-such-program"], env=child_environment({}), log=tmp_path / "log")


def test_a_child_that_heeds_sigterm_is_not_killed(start: Callable[..., Process]):
    child = start(
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(3))\nprint('up', flush=True)\ntime.sleep(600)"
    )
    until_it_says(child, "up")
    assert child.stop().code == 3


def test_a_child_that_ignores_sigterm_is_killed(start: Callable[..., Process]):
    child = start(IGNORES_TERM)
    until_it_says(child, "up")
    assert child.stop(0.2).code == -signal.SIGKILL


def test_children_of_a_child_end_with_it(start: Callable[..., Process]):
    child = start(
        f"import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]).pid, 'pid', flush=True)"
    )
    grandchild = int(until_it_says(child, "pid").split()[0])
    assert child.wait(10) is not None
    wait_until(lambda: gone(grandchild), within=5, what="the grandchild's end")


def test_children_that_left_the_group_are_stopped_too(start: Callable[..., Process]):
    child = start(
        "import subprocess, sys, time\n"
        f"deaf = subprocess.Popen([sys.executable, '-c', {IGNORES_TERM!r}], start_new_session=True)\n"
        "print(deaf.pid, 'pid', flush=True)\n"
        "time.sleep(600)"
    )
    grandchild = int(until_it_says(child, "pid").split()[0])
    child.stop()
    wait_until(lambda: gone(grandchild), within=5, what="the grandchild's end")


STRAY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), 'pid', flush=True)
        {deaf}
        while True: time.sleep(1)
    os._exit(0)
while True: time.sleep(1)
"""


@pytest.mark.parametrize("end", [Process.stop, Process.kill], ids=["stopped", "killed"])
def test_a_descendant_that_left_tree_session_and_group_ends_with_its_ancestor(
    start: Callable[..., Process], end: Callable[[Process], object]
):
    child = start(STRAY.format(deaf="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    stray = int(until_it_says(child, "pid").split()[0])
    wait_until(lambda: psutil.Process(stray).ppid() != child.pid, within=5, what="the stray is nobody's child")
    end(child)
    wait_until(lambda: gone(stray), within=5, what="the stray's end")


def test_no_log_outgrows_its_bound(start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(started, "LOG_BYTES_MAX", 100_000)
    child = start("while True: print('x' * 999, flush=True)")
    wait_until(lambda: b"was cut off" in child.log.read_bytes(), within=10, what="the log is cut")
    child.stop()
    child.bound_log()
    assert child.log.stat().st_size <= 100_000


def test_what_a_child_said_last_is_quoted_in_bounded_length(start: Callable[..., Process]):
    child = start("print('first'); print('y' * 1_000_000); print('last', flush=True)")
    assert child.wait(10) is not None
    assert child.last_lines().endswith("y... / last")
    assert len(child.last_lines()) < 3 * 210


CHILD_OF_CHILD = """
import subprocess, sys
print(subprocess.Popen([sys.executable, '-c', {rest!r}]).pid, 'pid', flush=True)
{deaf}
while True: time.sleep(1)
"""
HARNESS = """
import sys, time
from pathlib import Path
from harness.processes import Processes
from harness.child_environment import child_environment
Processes(lambda *_: None).start("child", {command!r}, env=child_environment({{}}), log=Path({log!r}))
print("up", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    "script",
    [
        "import os\n{deaf}\nprint(os.getpid(), 'pid', flush=True)\nwhile True: time.sleep(1)",
        CHILD_OF_CHILD,
        STRAY,
    ],
    ids=["a-child", "a-child-of-a-child", "a-stray"],
)
def test_nothing_survives_a_killed_harness(tmp_path: Path, script: str):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    log = tmp_path / "log"
    command = [sys.executable, "-c", script.format(deaf=deaf, rest=f"{deaf}; time.sleep(600)")]
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS.format(command=command, log=str(log))],
        stdout=subprocess.PIPE,
        env=child_environment({}),
    ) as harness:
        assert harness.stdout is not None
        harness.stdout.readline()
        wait_until(lambda: "pid" in log.read_text(), within=10, what="the child runs")
        harness.kill()
    left = int(log.read_text().split()[0])
    wait_until(lambda: gone(left), within=5, what="the end of what the harness started")


def test_a_child_gets_the_given_environment_and_nothing_else(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("A_SECRET_OF_THE_HARNESS", "x")
    wanted = child_environment({"LOG_LEVEL": "INFO"})
    child = processes.start("child", ["env"], env=wanted, log=tmp_path / "log")
    assert child.wait(10) is not None
    got = dict(line.split("=", 1) for line in (tmp_path / "log").read_text().splitlines())
    assert got.pop(keeper.MARK) == child.mark
    assert got == wanted
    assert set(got) == {"PATH", "LANG", "PYTHONPATH", "LOG_LEVEL"}


def test_all_are_stopped_last_first(start: Callable[..., Process], processes: Processes, events: list[Any]):
    for role in ("sink", "relay", "job"):
        until_it_says(start(SLEEPS, role=role), "up")
    assert processes.stop_all() == ()
    assert [role for _, role, action, _ in events if action == "exited"] == ["job", "relay", "sink"]


def test_a_signal_to_a_child_that_ended_reaches_nobody(
    start: Callable[..., Process], processes: Processes, events: list[Any]
):
    child = start("pass")
    child.wait(10)
    processes.signal(child, signal.SIGTERM)
    assert "signalled" not in [action for _, _, action, _ in events]


class Elsewhere(Process):
    """Something that was not started by `Processes`."""

    def __init__(self, role: str, log: Path) -> None:
        mark = new_mark()
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-c", SLEEPS],
                stdout=output,
                start_new_session=True,
                env=child_environment({keeper.MARK: mark}),
            )
        super().__init__(role, child, log, mark)


def test_what_was_started_elsewhere_is_recorded_and_stopped_like_a_child(
    processes: Processes, events: list[Any], tmp_path: Path
):
    child = processes.start(
        "child", [sys.executable, "-c", SLEEPS], env=child_environment({}), log=tmp_path / "child.log"
    )
    adopted = Elsewhere("adopted", tmp_path / "adopted.log")
    processes.adopt(adopted, 12.5)
    assert not processes.stop_all()
    assert [(role, action) for _, role, action, _ in events] == [
        ("child", "started"),
        ("adopted", "started"),
        ("adopted", "exited"),
        ("child", "exited"),
    ]
    assert events[1][0] == 12.5
    assert child.exit is not None
    assert adopted.exit is not None


def test_what_is_adopted_after_the_runs_end_is_ended(processes: Processes, tmp_path: Path):
    processes.close()
    late = Elsewhere("late", tmp_path / "late.log")
    with pytest.raises(ProcessError, match="the run is over"):
        processes.adopt(late, 0.0)
    assert late.exit is not None
    assert gone(late.pid)


PROMISES = """
import sys, time
from harness.processes import Processes
processes = Processes(lambda *_: None)
first = processes.after_death([sys.executable, "-c", "open({log!r}, 'a').write('first\\\\n')"])
called_off = processes.after_death([sys.executable, "-c", "open({log!r}, 'a').write('called off\\\\n')"])
processes.after_death(["no-such-program"])
processes.after_death([sys.executable, "-c", "open({log!r}, 'a').write('newest\\\\n')"])
called_off()
print("up", flush=True)
{then}
"""


def test_a_killed_harness_has_carried_out_what_it_promised_newest_first(tmp_path: Path):
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", PROMISES.format(log=str(log), then="time.sleep(600)")],
        stdout=subprocess.PIPE,
        env=child_environment({}),
    ) as harness:
        assert harness.stdout is not None
        harness.stdout.readline()
        harness.kill()
    wait_until(lambda: log.exists() and "first" in log.read_text(), within=20, what="what was promised")
    assert log.read_text() == "newest\nfirst\n"


LEAVES_A_DAEMON = """
import os, signal, sys, time
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", "600"], {})
        os._exit(0)
    os.wait()
def end(*_):
    daemon()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
if "now" in sys.argv: daemon()
print("up", flush=True)
while True: time.sleep(1)
"""


def start_with_daemon(processes: Processes, tmp_path: Path, when: str) -> Process:
    command = [sys.executable, "-I", "-S", own_orphans.__file__, sys.executable, "-c", LEAVES_A_DAEMON, when]
    return processes.start("child", command, env=child_environment({}), log=tmp_path / "daemons.log")


def test_a_daemon_with_a_clean_environment_stays_in_the_tree(processes: Processes, tmp_path: Path):
    child = start_with_daemon(processes, tmp_path, "now")
    until_it_says(child, "up")
    wait_until(lambda: len(list(procfs.tree(child.pid))) == 2, within=10, what="the daemon is its child")
    (daemon,) = procfs.children(child.pid)
    child.stop()
    wait_until(lambda: gone(daemon), within=10, what="the daemon is gone")


def test_a_daemon_that_begins_at_the_end_of_its_parent_is_ended_too(processes: Processes, tmp_path: Path):
    child = start_with_daemon(processes, tmp_path, "at-the-end")
    until_it_says(child, "up")
    child.stop()
    left = [pid for pid in procfs.children(os.getpid()) if procfs.command(pid) == "sleep 600"]
    assert left == []


def test_children_of_others_in_this_program_are_left_alone(processes: Processes, tmp_path: Path):
    child = start_with_daemon(processes, tmp_path, "at-the-end")
    until_it_says(child, "up")
    with subprocess.Popen(["/bin/sleep", "600"]) as other:
        child.stop()
        assert other.poll() is None
        other.kill()


def test_a_keeper_that_was_frozen_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "_KEEPER_SECONDS", 0.2)
    frozen = Processes(lambda *_: None)
    frozen.start("child", [sys.executable, "-c", SLEEPS], env=child_environment({}), log=tmp_path / "child.log")
    (kept,) = [pid for pid in procfs.children(os.getpid()) if "keeper.py" in procfs.command(pid)]
    os.kill(kept, signal.SIGSTOP)
    frozen.close()
    assert gone(kept)


def test_starts_and_ends_side_by_side_do_not_take_each_other_for_orphans(tmp_path: Path):
    problems: list[str] = []

    def often(number: int) -> None:
        for turn in range(12):
            mine = Processes(lambda *_: None)
            try:
                log = tmp_path / f"{number}-{turn}.log"
                child = mine.start("child", [sys.executable, "-S", "-c", "pass"], env=child_environment({}), log=log)
                ended = child.wait(20)
                if ended is None or ended.code != 0:
                    problems.append(f"{number}-{turn}: {ended}")
            except (OSError, ProcessError) as problem:
                problems.append(f"{number}-{turn}: {problem}")
            finally:
                mine.close()

    threads = [threading.Thread(target=often, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_the_moment_of_the_start_is_that_of_the_command_and_not_of_what_becomes_it(
    processes: Processes, tmp_path: Path
):
    command = [sys.executable, "-I", "-S", own_orphans.__file__, sys.executable, "-c", "while True: pass"]
    child = processes.start("child", command, env=child_environment({}), log=tmp_path / "child.log")
    seen = moments.starting(child, lambda: 0, Patience(threading.Event()))
    assert seen.ok, seen
    assert own_orphans.__file__ not in procfs.command(child.pid)


AT_REST = (
    "import signal, time\n"
    "{handler}\n"
    "while time.process_time() < 0.06: pass\n"
    "time.sleep(60)\n"
)  # more CPU time than who takes the signal needs, less than who does not


@pytest.mark.parametrize(
    ("handler", "met"), [("signal.signal(signal.SIGTERM, lambda *_: None)", True), ("", False)], ids=["takes-it", "not"]
)
def test_who_takes_the_signal_already_is_told_to_end_earlier(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: str, met: bool
):
    monkeypatch.setattr(moments, "STARTING_CPU_SECONDS", 30.0)
    monkeypatch.setattr(moments, "_WITHIN_SECONDS", 20.0 if met else 1.0)
    command = [sys.executable, "-S", "-c", AT_REST.format(handler=handler)]
    child = processes.start("child", command, env=child_environment({}), log=tmp_path / "child.log")
    assert moments.starting(child, lambda: 0, Patience(threading.Event())).ok == met

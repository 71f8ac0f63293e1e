"""What is done to the bridge's process and to the collector's answers: seen to hold, healed, not believed easily."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness import faults, procfs, soft_limits
from harness.faults import FAULTS, FaultError, Ground
from harness.lives import ProcessLife
from harness.observers.decisions import RETRY_INFO_TYPE, retry_info
from harness.processes import Process, Processes
from harness.rigs import RIGS, Setting
from harness.rigs.embedded import EmbeddedStanding
from harness.scenario import Scenario
from harness.waiting import InterruptedRunError, Patience, wait_until

PLAIN_BRIDGE = Path(__file__).with_name("stand_ins") / "plain_bridge.py"
OF_THE_BRIDGE = [name for name in FAULTS if name.startswith("bridge-")]
LIMITS = {
    "bridge-out-of-files": resource.RLIMIT_NOFILE,
    "bridge-out-of-address-space": resource.RLIMIT_AS,
    "bridge-disk-full": resource.RLIMIT_FSIZE,
}
PARAMETERS = {"bridge-starved": {"processes": 3}}
OF_THE_ANSWERS = {
    "collector-slow": {"by": "300ms"},
    "collector-acknowledges-late": {"by": "300ms"},
    "collector-unavailable": {},
    "collector-exhausted": {},
    "collector-refuses-one": {},
    "collector-takes-part": {},
    "collector-hangs": {},
}


@pytest.fixture
def interrupt():
    return threading.Event()


@pytest.fixture
def standing(short: Callable[..., Scenario], processes: Processes, tmp_path: Path, interrupt: threading.Event):
    up = RIGS["embedded"].up(Setting(short(), tmp_path, 1, processes, Patience(interrupt)))
    up.start_job()
    yield up
    up.down()


class Present:
    """The bridge that runs now."""

    def __init__(self, standing: EmbeddedStanding) -> None:
        self._standing = standing
        self.process: Process | None = None

    def start(self) -> None:
        self.process = self._standing.start_bridge([sys.executable, str(PLAIN_BRIDGE)])
        said = self.process.log.stat().st_size
        # It says its environment once its signals are in place.
        wait_until(lambda: self.process.log.stat().st_size > said, within=10, what="the bridge is up")


@pytest.fixture
def ground(standing: EmbeddedStanding, processes: Processes) -> Ground:
    present = Present(standing)
    present.start()
    wait_until(lambda: standing.deliveries().points > 2, within=10, what="the bridge delivers")
    life = ProcessLife("bridge", processes, lambda: present.process, present.start)
    return replace(standing.ground, bridge=life)


@pytest.mark.parametrize("name", OF_THE_BRIDGE)
def test_a_fault_of_the_bridge_is_seen_only_between_inject_and_heal(
    name: str, ground: Ground, standing: EmbeddedStanding
):
    fault = faults.build(name, PARAMETERS.get(name, {}), ground)
    before = fault.verify()
    assert not before.ok, before.evidence
    assert fault.inject()
    for _ in range(2):
        while_it_holds = fault.verify()
        assert while_it_holds.ok, while_it_holds.evidence
    assert fault.heal()
    after = fault.verify()
    assert not after.ok, after.evidence
    points = standing.deliveries().points
    wait_until(lambda: standing.deliveries().points > points, within=10, what="the bridge delivers again")


@pytest.mark.parametrize("name", OF_THE_BRIDGE)
def test_a_rig_without_a_way_to_the_bridge_says_so(name: str, standing: EmbeddedStanding):
    with pytest.raises(FaultError, match="bridge"):
        faults.build(name, {}, standing.ground).inject()


@pytest.mark.parametrize("name", OF_THE_BRIDGE)
def test_a_bridge_that_has_ended_takes_no_fault_and_the_heal_leaves_no_harm(name: str, ground: Ground):
    assert ground.bridge is not None
    ground.bridge.kill()
    fault = faults.build(name, {}, ground)
    with pytest.raises(FaultError, match="does not run"):
        fault.inject()
    assert fault.heal()


def test_a_bridge_that_somebody_started_again_is_not_gone(ground: Ground):
    assert ground.bridge is not None
    fault = faults.build("bridge-killed", {}, ground)
    fault.inject()
    ground.bridge.start()
    assert not fault.verify().ok
    fault.heal()


def test_a_bridge_that_goes_on_does_not_stand_still(ground: Ground):
    assert ground.bridge is not None
    fault = faults.build("bridge-stopped", {}, ground)
    fault.inject()
    ground.bridge.signal(signal.SIGCONT)
    wait_until(lambda: not fault.verify().ok, within=2, what="the fault is no longer believed")
    fault.heal()


@pytest.mark.parametrize(("name", "kind"), LIMITS.items())
def test_a_limit_that_somebody_lifted_is_seen_and_the_heal_puts_back_what_was(name: str, kind: int, ground: Ground):
    assert ground.bridge is not None
    pid = ground.bridge.pid
    assert pid is not None
    before = resource.prlimit(pid, kind)
    fault = faults.build(name, {}, ground)
    fault.inject()
    resource.prlimit(pid, kind, before)
    assert not fault.verify().ok
    fault.inject()
    fault.heal()
    assert resource.prlimit(pid, kind) == before


@pytest.mark.parametrize(("name", "kind"), LIMITS.items())
def test_a_limit_binds_the_worker_below_a_launcher_and_what_that_starts(
    name: str, kind: int, standing: EmbeddedStanding, processes: Processes
):
    launcher = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"]
    process = standing.start_bridge([*launcher, str(PLAIN_BRIDGE)])
    life = ProcessLife("bridge", processes, lambda: process, lambda: None)
    wait_until(lambda: len(list(procfs.tree(process.pid))) == 2, within=10, what="the worker")
    wait_until(lambda: standing.deliveries().points > 2, within=10, what="the bridge delivers")
    worker = procfs.children(process.pid)[0]
    before = resource.prlimit(worker, kind)
    fault = faults.build(name, {}, replace(standing.ground, bridge=life))
    fault.inject()
    assert resource.prlimit(worker, kind)[0] != before[0]
    wait_until(lambda: fault.verify().ok, within=5, what="the fault is seen to hold")
    bound = resource.prlimit(worker, kind)
    resource.prlimit(worker, kind, before)
    assert not fault.verify().ok, "the launcher alone is bound"
    resource.prlimit(worker, kind, bound)
    fault.heal()
    assert resource.prlimit(worker, kind) == before


def test_a_limit_of_an_earlier_life_is_none(ground: Ground):
    assert ground.bridge is not None
    fault = faults.build("bridge-out-of-files", {}, ground)
    fault.inject()
    ground.bridge.kill()
    ground.bridge.start()
    assert not fault.verify().ok
    assert "no process" in fault.heal()


def test_a_limit_of_files_with_one_free_below_it_does_not_hold(ground: Ground):
    assert ground.bridge is not None
    pid = ground.bridge.pid
    assert pid is not None
    fault = faults.build("bridge-out-of-files", {}, ground)
    fault.inject()
    assert fault.verify().ok
    too_high = max(procfs.open_descriptors(pid)) + 2
    fault._wanted[pid] = too_high  # type: ignore[attr-defined]  # as if it were set too high
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (too_high, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    assert not fault.verify().ok
    fault.heal()


def test_a_processor_without_busy_neighbours_starves_nobody(ground: Ground):
    fault = faults.build("bridge-starved", {"processes": 1}, ground)
    fault.inject()
    for process in fault._running:  # type: ignore[attr-defined]  # the very processes
        process.signal(signal.SIGSTOP)
    assert not fault.verify().ok
    fault.heal()


def test_a_bridge_that_may_run_elsewhere_is_not_starved(ground: Ground):
    assert ground.bridge is not None
    assert ground.bridge.pid is not None
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor only")
    fault = faults.build("bridge-starved", {"processes": 2}, ground)
    fault.inject()
    os.sched_setaffinity(ground.bridge.pid, os.sched_getaffinity(0))
    seen = fault.verify()
    assert not seen.ok
    assert "elsewhere" in seen.evidence
    fault.heal()


def test_busy_processes_are_gone_after_the_heal(ground: Ground):
    fault = faults.build("bridge-starved", {"processes": 3}, ground)
    fault.inject()
    pids = [process.pid for process in fault._running]  # type: ignore[attr-defined]  # the very processes
    assert len(pids) == 3
    fault.heal()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_busy_process_ends_by_itself(ground: Ground):
    fault = faults.build("bridge-starved", {"processes": 1, "at_most": "200ms"}, ground)
    fault.inject()
    (process,) = fault._running  # type: ignore[attr-defined]  # the very process
    assert process.wait(5.0) is not None
    fault.heal()


def test_an_interrupt_ends_a_verify_that_looks_for_long(ground: Ground, interrupt: threading.Event):
    fault = faults.build("bridge-starved", {"processes": 1}, ground)
    fault.inject()
    interrupt.set()
    with pytest.raises(InterruptedRunError):
        fault.verify()
    fault.heal()


@pytest.mark.parametrize(("name", "parameters"), OF_THE_ANSWERS.items())
def test_answers_that_are_as_ever_are_no_fault(name: str, parameters: dict[str, object], standing: EmbeddedStanding):
    class Content:
        """Says yes and tells the sink nothing."""

        host, port = standing.ground.answers.host, standing.ground.answers.port

        def decide(self, decision: str, parameters: dict[str, object]) -> None:
            """Do nothing."""

    fault = faults.build(name, parameters, replace(standing.ground, answers=Content()))
    fault.inject()
    seen = fault.verify()
    assert not seen.ok, seen.evidence


@pytest.mark.parametrize("name", OF_THE_ANSWERS)
def test_one_kind_of_answer_is_not_taken_for_another(name: str, standing: EmbeddedStanding):
    fault = faults.build(name, OF_THE_ANSWERS[name], standing.ground)
    assert standing.ground.answers is not None
    standing.ground.answers.decide("status", {"code": "INTERNAL"})
    seen = fault.verify()
    assert not seen.ok, seen.evidence


@pytest.mark.parametrize("name", ["collector-unavailable", "collector-hangs"])
def test_a_dead_sink_is_not_taken_for_one_that_answers_or_hangs(name: str, standing: EmbeddedStanding):
    assert standing.ground.collector_life is not None
    fault = faults.build(name, {}, standing.ground)
    fault.inject()
    standing.ground.collector_life.kill()
    assert not fault.verify().ok
    standing.ground.collector_life.start()
    fault.heal()


def test_a_collector_that_somebody_started_again_is_not_gone(standing: EmbeddedStanding):
    assert standing.ground.collector_life is not None
    fault = faults.build("collector-killed", {}, standing.ground)
    fault.inject()
    standing.check()
    standing.ground.collector_life.start()
    assert not fault.verify().ok
    fault.heal()


def test_a_collector_that_died_without_a_plan_breaks_the_rig(standing: EmbeddedStanding):
    assert standing.ground.collector_life is not None
    pid = standing.ground.collector_life.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def broke() -> bool:
        try:
            standing.check()
        except Exception as problem:  # noqa: BLE001 - its text is looked at
            return "sink ended" in str(problem)
        return False

    wait_until(broke, within=5, what="the rig says that the sink ended")


def test_retry_info_is_what_grpc_itself_reads():
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415 - comes with the contestants only

    status = status_pb2.Status.FromString(retry_info("full", 3.25))
    assert (status.code, status.message, status.details[0].type_url) == (8, "full", RETRY_INFO_TYPE)
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.ToMilliseconds() == 3250


def test_the_limit_of_another_users_process_is_changed_and_put_back(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another user")
    with subprocess.Popen(["/bin/sleep", "60"], user=65534, group=65534, extra_groups=[], cwd=tmp_path.anchor) as other:
        try:
            wait_until(lambda: b"sleep" in Path(f"/proc/{other.pid}/cmdline").read_bytes(), within=5, what="it runs")
            before = soft_limits.change(other.pid, soft_limits.OPEN_FILES, 17)
            assert procfs.soft_limit(other.pid, "Max open files") == 17
            assert soft_limits.change(other.pid, soft_limits.OPEN_FILES, before) == 17
            assert procfs.soft_limit(other.pid, "Max open files") == before
            assert soft_limits.change(other.pid, soft_limits.FILE_SIZE, 100) == resource.RLIM_INFINITY
            assert soft_limits.change(other.pid, soft_limits.FILE_SIZE, resource.RLIM_INFINITY) == 100
            assert procfs.soft_limit(other.pid, "Max file size") is None
            with pytest.raises((OSError, ValueError)):
                soft_limits.change(other.pid, soft_limits.OPEN_FILES, 2**40)
        finally:
            other.kill()

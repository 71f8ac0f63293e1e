from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from harness import procfs
from harness.observers.resources import ResourceObserver, Sample, Watched
from harness.processes import Process
from harness.samples import MachineSample, ResourceSample
from harness.waiting import wait_until

SPINS = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"


@pytest.fixture
def watch() -> Iterator[Callable[[Watched], list[ResourceSample]]]:
    samples: list[ResourceSample] = []

    def keep(sample: Sample) -> None:
        if isinstance(sample, ResourceSample):
            samples.append(sample)

    observer = ResourceObserver(keep, period_seconds=0.02)
    observer.start()

    def watch_it(watched: Watched) -> list[ResourceSample]:
        observer.watch(watched)
        return samples

    yield watch_it
    observer.stop()


def of(process: Process) -> Watched:
    return Watched("bridge", process.pid, process.create_time, mark=process.mark)


def test_cpu_time_of_another_process_is_read_in_parts_of_a_tick():
    assert procfs.cpu_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.005)


def test_a_process_is_sampled_with_what_the_kernel_says_of_it(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start("import time; held = bytearray(40 << 20); print('up', flush=True); time.sleep(600)")
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the memory is there")
    samples = watch(of(child))
    wait_until(lambda: bool(samples), within=5, what="a sample")
    said = psutil.Process(child.pid)
    last = samples[-1]
    assert last.rss_bytes == pytest.approx(said.memory_info().rss, rel=0.02)
    assert last.peak_rss_bytes >= last.rss_bytes
    assert (last.threads, last.fds, last.processes) == (1, said.num_fds(), 1)


SPINS_OUTSIDE_THE_TREE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: pass
    os._exit(0)
os.wait()
time.sleep(600)
"""


def test_a_descendant_that_left_the_tree_is_charged_to_it(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    samples = watch(of(start(SPINS_OUTSIDE_THE_TREE)))
    wait_until(lambda: any(sample.cpu_seconds > 0.5 for sample in samples), within=15, what="the stray's CPU time")
    assert samples[-1].processes == 2


SPINS_IN_A_CHILD = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", {spin!r}])
print("up", flush=True)
time.sleep(600)
"""


def test_cpu_time_of_children_counts_while_they_run_and_after(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start(SPINS_IN_A_CHILD.format(spin=SPINS.format(seconds=0.3)))
    samples = watch(of(child))
    wait_until(lambda: any(sample.processes == 2 for sample in samples), within=10, what="the child is seen")
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the child has ended")
    seen = len(samples)
    wait_until(lambda: len(samples) > seen + 1, within=5, what="another sample")
    assert samples[-1].processes == 1
    used = [sample.cpu_seconds for sample in samples]
    assert used[-1] >= 0.3
    assert used == sorted(used)


def test_cpu_time_of_a_child_that_ended_before_anyone_looked_counts(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start(SPINS_IN_A_CHILD.format(spin=SPINS.format(seconds=0.3)))
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the child has ended")
    samples = watch(of(child))
    wait_until(lambda: bool(samples), within=5, what="a sample")
    assert samples[0].cpu_seconds >= 0.3


SPINS_IN_CHILDREN_NOBODY_WAITS_FOR = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(4):
    child = os.fork()
    if child == 0:
        end = time.process_time() + 0.15
        while time.process_time() < end: pass
        time.sleep(0.3)
        os._exit(0)
    while os.path.exists(f"/proc/{child}"):
        time.sleep(0.01)
print("done", flush=True)
time.sleep(600)
"""


def test_cpu_time_of_each_child_that_nobody_waits_for_counts(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start(SPINS_IN_CHILDREN_NOBODY_WAITS_FOR)
    samples = watch(of(child))
    wait_until(lambda: "done" in child.log.read_text(), within=30, what="all of them have ended")
    seen = len(samples)
    wait_until(lambda: len(samples) > seen + 2, within=5, what="samples after that")
    used = [sample.cpu_seconds for sample in samples]
    assert used == sorted(used)
    assert 0.5 < used[-1] < 0.9  # 4 of 0.15 s, less than a tick each, and the start of Python


def test_a_process_watched_alone_is_not_charged_for_the_children_that_it_waited_for(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start(SPINS_IN_A_CHILD.format(spin=SPINS.format(seconds=0.5)))
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the child has ended")
    samples = watch(Watched("harness", child.pid, child.create_time, with_children=False))
    wait_until(lambda: bool(samples), within=5, what="a sample")
    assert samples[0].cpu_seconds < 0.4


def test_the_peak_does_not_fall_with_the_memory(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start("import time; held = bytearray(40 << 20); del held; print('up', flush=True); time.sleep(600)")
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the memory was there")
    samples = watch(of(child))
    wait_until(lambda: bool(samples), within=5, what="a sample")
    assert samples[-1].peak_rss_bytes > 40 << 20 > samples[-1].rss_bytes


def test_a_pid_that_is_anothers_by_now_is_not_sampled(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child, control = start("import time; time.sleep(600)"), start("import time; time.sleep(600)", role="other")
    samples = watch(Watched("stale", child.pid, child.create_time - 1))
    watch(Watched("true", control.pid, control.create_time))
    wait_until(lambda: len(samples) > 3, within=5, what="samples")
    assert {sample.role for sample in samples} == {"true"}


def test_a_process_that_ended_gives_no_more_samples(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start("import time; time.sleep(0.2)")
    samples = watch(of(child))
    child.wait(10)
    seen = len(samples)
    assert watch(Watched("self", os.getpid(), procfs.create_time(os.getpid()), with_children=False)) is samples
    wait_until(lambda: len(samples) > seen + 3, within=5, what="samples of another")
    assert "bridge" not in {sample.role for sample in samples[seen + 1 :]}


def test_memory_by_shares_is_taken_and_lies_below_the_resident_one(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start("import time; held = bytearray(40 << 20); print('up', flush=True); time.sleep(600)")
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the memory is there")
    if procfs.memory_shares(child.pid) is None:
        pytest.skip("this kernel has no smaps_rollup")
    samples = watch(of(child))
    wait_until(lambda: len(samples) > 16, within=10, what="samples")
    taken = [sample for sample in samples if sample.pss_bytes is not None and sample.uss_bytes is not None]
    assert 2 <= len(taken) < len(samples)  # at a lower rate than the rest
    for sample in taken:
        assert 40 << 20 < (sample.uss_bytes or 0) <= (sample.pss_bytes or 0) <= sample.rss_bytes


SWITCHES_IN_A_THREAD = """
import threading, time
def often():
    for _ in range(200): time.sleep(0.001)
thread = threading.Thread(target=often); thread.start(); thread.join()
print('up', flush=True)
time.sleep(600)
"""


def test_context_switches_of_all_threads_are_counted_and_never_fall(
    start: Callable[..., Process], watch: Callable[[Watched], list[ResourceSample]]
):
    child = start(SWITCHES_IN_A_THREAD)
    samples = watch(of(child))
    wait_until(lambda: "up" in child.log.read_text(), within=10, what="the thread has ended")
    seen = len(samples)
    wait_until(lambda: len(samples) > seen + 1, within=5, what="another sample")
    counts = [sample.voluntary_switches or 0 for sample in samples]
    assert counts == sorted(counts)
    assert counts[-1] >= 100


def test_the_machine_is_sampled_beside():
    samples: list[Sample] = []
    observer = ResourceObserver(samples.append, period_seconds=0.01)
    observer.start()
    wait_until(lambda: bool(samples), within=5, what="a sample of the machine")
    observer.stop()
    (first,) = samples[:1]
    assert isinstance(first, MachineSample)
    assert first.load_1m >= 0
    assert first.cpus == len(os.sched_getaffinity(0))
    assert first.memory_available_bytes > 0

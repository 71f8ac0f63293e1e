"""Samples what a tree of processes costs: CPU time, memory, threads, file descriptors; by pid and create time.

Figures are the kernel's own. CPU time of a process is read from its CPU clock (clock_getcpuclockid(3) is this
arithmetic), that of its ended children from /proc/PID/stat, in clock ticks. RSS is VmRSS and the peak VmHWM of
/proc/PID/status. What a tree has used never falls: a child that ended and was not waited for leaves what was last
seen of it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.record import ResourceSample

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT_CUTIME, _STAT_CSTIME = 13, 14
"""proc(5) fields 16 and 17, counted after the closing parenthesis of the program's name."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The root of a tree that is sampled."""

    role: str
    pid: int
    create_time: float
    with_children: bool = True


class _Tree:
    """One watched tree and what it had used so far."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._cpu_seconds = 0.0
        self._peak_bytes = 0

    def sample(self, t: float) -> ResourceSample | None:
        """None: the root has ended, or its pid is another's by now."""
        watched = self.watched
        try:
            if psutil.Process(watched.pid).create_time() != watched.create_time:
                return None
        except psutil.Error:
            return None
        cpu_seconds, rss, peak, threads, fds, seen = 0.0, 0, 0, 0, 0, 0
        for pid in _tree_pids(watched.pid) if watched.with_children else iter((watched.pid,)):
            with contextlib.suppress(OSError, IndexError, ValueError):  # it ended while it was looked at
                cpu_seconds += _cpu_seconds(pid)
                status = _status(pid)
                if "VmRSS" not in status:  # a zombie has no memory any more
                    continue
                rss += status["VmRSS"] * 1024
                peak += status["VmHWM"] * 1024
                threads += status["Threads"]
                fds += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - four times a second
                seen += 1
        if not seen:
            return None
        self._cpu_seconds = max(self._cpu_seconds, cpu_seconds)
        self._peak_bytes = max(self._peak_bytes, peak)
        return ResourceSample(
            t=t,
            role=watched.role,
            cpu_seconds=self._cpu_seconds,
            rss_bytes=rss,
            peak_rss_bytes=self._peak_bytes,
            threads=threads,
            fds=fds,
            processes=seen,
        )


class ResourceObserver:
    """A thread that samples trees until it is stopped.

    Args:
        keep: takes each sample, with ``t`` on CLOCK_MONOTONIC.
        period_seconds: between samples of one tree.
    """

    def __init__(self, keep: Callable[[ResourceSample], None], *, period_seconds: float = 0.25) -> None:
        self._keep = keep
        self._period = period_seconds
        self._trees: list[tuple[_Tree, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)

    def watch(self, watched: Watched, *, every: int = 1) -> None:
        """Sample this tree too, at every so manyeth period."""
        self._trees.append((_Tree(watched), every))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        turn = 0
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            for tree, every in tuple(self._trees):
                if turn % every == 0 and (sample := tree.sample(time.monotonic())) is not None:
                    self._keep(sample)
            turn += 1
            due = max(due + self._period, time.monotonic())


def cpu_seconds_of(pid: int) -> float:
    """CPU time of one process so far, without its children.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(((~pid) << 3) | 2)


def _cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return cpu_seconds_of(pid) + (int(stat[_STAT_CUTIME]) + int(stat[_STAT_CSTIME])) / _TICKS


def _status(pid: int) -> dict[str, int]:
    """VmRSS and VmHWM in KiB, Threads."""
    wanted = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name in {"VmRSS", "VmHWM", "Threads"}:
            wanted[name] = int(value.split()[0])
    return wanted


def _tree_pids(root: int) -> Iterator[int]:
    yield root
    try:
        tasks = os.listdir(f"/proc/{root}/task")  # noqa: PTH208 - four times a second
        children = " ".join(Path(f"/proc/{root}/task/{task}/children").read_text(encoding="ascii") for task in tasks)
    except OSError:
        return
    for child in children.split():
        yield from _tree_pids(int(child))

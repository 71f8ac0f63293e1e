"""Samples what a tree of processes costs: CPU time, memory, threads, file descriptors; by pid and create time.

Figures are the kernel's own (`harness/procfs.py`): RSS is VmRSS and the peak VmHWM of /proc/PID/status. What a tree has
used never falls: a child that ended and was not waited for leaves what was last seen of it. Where the tree has a
control group of its own, as a container has, what the kernel counted for that stands beside them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from harness import keeper, procfs
from harness.cgroups import Cgroup
from harness.record import ResourceSample

_STRAYS_EVERY = 8


@dataclass(frozen=True, slots=True)
class Watched:
    """The root of a tree that is sampled."""

    role: str
    pid: int
    create_time: float
    with_children: bool = True
    mark: str | None = None
    """What its descendants carry in their environment: those that left the tree count, too."""
    cgroup: Cgroup | None = None
    """Of its own; None: it shares another's."""


class _Tree:
    """One watched tree and what it had used so far."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._cpu_seconds = 0.0
        self._peak_bytes = 0
        self._turn = 0
        self._strays: list[int] = []

    def sample(self, t: float) -> ResourceSample | None:
        """None: the root has ended, or its pid is another's by now."""
        watched = self.watched
        try:
            if procfs.create_time(watched.pid) != watched.create_time:
                return None
        except OSError:
            return None
        cpu_seconds, rss, peak, threads, fds, seen = 0.0, 0, 0, 0, 0, 0
        for pid in self._pids():
            with contextlib.suppress(OSError):  # it ended while it was looked at
                cpu_seconds += procfs.cpu_seconds(pid)
                if watched.with_children:
                    cpu_seconds += procfs.ended_children_cpu_seconds(pid)
                status = procfs.status(pid)
                if "VmRSS" not in status:  # a zombie has no memory any more
                    continue
                rss += status["VmRSS"] * 1024
                peak += status["VmHWM"] * 1024
                threads += status["Threads"]
                fds += procfs.open_files(pid)
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
            **self._of_cgroup(),
        )

    def _of_cgroup(self) -> dict[str, Any]:
        """What the kernel counted for the group; nothing where it is gone, as at a container's end."""
        if self.watched.cgroup is None:
            return {}
        try:
            return {
                f"cgroup_{name}": value
                for name, value in asdict(self.watched.cgroup.figures()).items()
                if name != "kills"
            }
        except OSError:
            return {}

    def _pids(self) -> list[int]:
        """The tree, and those that left it: they are looked for at every eighth sample, which a whole machine costs."""
        watched = self.watched
        if not watched.with_children:
            return [watched.pid]
        inside = list(procfs.tree(watched.pid))
        if watched.mark is not None and self._turn % _STRAYS_EVERY == 0:
            self._strays = keeper.marked(watched.mark)
        self._turn += 1
        return inside + [pid for pid in self._strays if pid not in inside]


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

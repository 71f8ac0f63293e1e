"""Samples what a tree of processes costs: CPU time, memory, threads, descriptors, switches; by pid and create time.

Figures are the kernel's own (`harness/procfs.py`): RSS is VmRSS and the peak VmHWM of /proc/PID/status, PSS and USS are
of smaps_rollup. What a tree has used never falls: each child that ended and was not waited for leaves what was last
seen of it. Where the tree has a control group of its own, as a container has, what the kernel counted for that stands
beside them; and so do the tree's members, and how busy the machine was.
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
from harness.observers import machine
from harness.observers.members import Change, Members
from harness.samples import MachineSample, ResourceSample

_SELDOM = 8
"""At each so manyeth sample: what costs much to look at, memory by shares and who left the tree."""

Sample = ResourceSample | MachineSample


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


@dataclass(slots=True)
class _Sums:
    """What was found over the members of a tree."""

    rss_bytes: int = 0
    peak_bytes: int = 0
    threads: int = 0
    fds: int = 0
    processes: int = 0


class _Tree:
    """One watched tree and what it had used so far."""

    def __init__(self, watched: Watched, tell: Callable[[Change], None]) -> None:
        self.watched = watched
        self._members = Members(watched.role, watched.pid, self._lives, tell)
        self._cpu = _Cpu(with_children=watched.with_children)
        self._peak_bytes = 0
        self._turn = 0
        self._strays: list[int] = []
        self._switches = _Switches()

    def sample(self, t: float) -> ResourceSample | None:
        """None: the root has ended, or its pid is another's by now."""
        watched = self.watched
        if not self._lives():
            return None
        seldom = self._turn % _SELDOM == 0
        pids = self._pids(seldom=seldom)
        self._turn += 1
        if watched.with_children:
            pids = list(dict.fromkeys([*pids, *self._members.look(pids, t)]))  # a zombie has used its CPU time
        found = _Sums()
        for pid in pids:
            with contextlib.suppress(OSError):  # it ended while it was looked at
                self._add(pid, found)
        if not found.processes:
            return None
        self._peak_bytes = max(self._peak_bytes, found.peak_bytes)
        pss, uss = _shares(pids) if seldom else (None, None)
        voluntary, involuntary = self._switches.of(pids)
        return ResourceSample(
            t=t,
            role=watched.role,
            cpu_seconds=self._cpu.of(pids),
            rss_bytes=found.rss_bytes,
            peak_rss_bytes=self._peak_bytes,
            threads=found.threads,
            fds=found.fds,
            processes=found.processes,
            pss_bytes=pss,
            uss_bytes=uss,
            voluntary_switches=voluntary,
            involuntary_switches=involuntary,
            **self._of_cgroup(),
        )

    def _add(self, pid: int, found: _Sums) -> None:
        status = procfs.status(pid)
        if "VmRSS" not in status:  # a zombie has no memory any more
            return
        found.rss_bytes += status["VmRSS"] * 1024
        found.peak_bytes += status["VmHWM"] * 1024
        found.threads += status["Threads"]
        found.fds += procfs.open_files(pid)
        found.processes += 1

    def _of_cgroup(self) -> dict[str, Any]:
        """What the kernel counted for the group; nothing where it is gone, as at a container's end."""
        if self.watched.cgroup is None:
            return {}
        try:
            figures = asdict(self.watched.cgroup.figures())
        except OSError:
            return {}
        return {f"cgroup_{name}": value for name, value in figures.items()}

    def _lives(self) -> bool:
        try:
            return procfs.create_time(self.watched.pid) == self.watched.create_time
        except OSError:
            return False

    def _pids(self, *, seldom: bool) -> list[int]:
        """The tree, and those that left it: they are looked for now and then, which a whole machine costs."""
        watched = self.watched
        if not watched.with_children:
            return [watched.pid]
        inside = list(procfs.tree(watched.pid))
        if watched.mark is not None and seldom:
            self._strays = keeper.marked(watched.mark)
        return inside + [pid for pid in self._strays if pid not in inside]


class _Cpu:
    """CPU time of a tree, with what its ended members had used.

    Who waits for a child has its time from then on. Of one that nobody waits for (SIGCHLD ignored, the parent gone) the
    kernel tells nobody: what was last seen of it is kept, where that did not come to another member by the next sample.
    One that began and ended between two samples is missed there.
    """

    def __init__(self, *, with_children: bool) -> None:
        self._with_children = with_children
        self._of_ended = self._pending = 0.0
        self._seen: dict[tuple[int, float], tuple[float, float]] = {}
        self._told = 0.0

    def of(self, pids: list[int]) -> float:
        """Seconds up to now; never less than before."""
        now: dict[tuple[int, float], tuple[float, float]] = {}
        # Who left the tree and lives on has not ended.
        for pid in dict.fromkeys([*pids, *(pid for pid, _ in self._seen)]):
            with contextlib.suppress(OSError):
                member = (pid, procfs.create_time(pid))
                if pid in pids or member in self._seen:
                    now[member] = self._used(pid)
        ended = [sum(used) for member, used in self._seen.items() if member not in now]
        gone = sum(max(0.0, used - procfs.TICK_SECONDS) for used in ended)  # what comes to another comes in ticks
        came = sum(used[1] - self._seen[member][1] for member, used in now.items() if member in self._seen)
        self._of_ended += max(0.0, self._pending - came)
        self._pending = max(0.0, gone - max(0.0, came - self._pending))
        self._seen = now
        self._told = max(self._told, self._of_ended + sum(sum(used) for used in now.values()))
        return self._told

    def _used(self, pid: int) -> tuple[float, float]:
        """Its own, and that of the children that it waited for."""
        return procfs.cpu_seconds(pid), procfs.ended_children_cpu_seconds(pid) if self._with_children else 0.0


class _Switches:
    """Context switches of a tree, those of ended threads included as far as they were seen."""

    def __init__(self) -> None:
        self._of_ended = [0, 0]
        self._seen: dict[tuple[int, int], tuple[int, int]] = {}

    def of(self, pids: list[int]) -> tuple[int, int]:
        """Count up to now: voluntary and involuntary."""
        now = {(pid, thread): counts for pid in pids for thread, counts in procfs.context_switches(pid).items()}
        for thread, counts in self._seen.items():
            if thread not in now:
                self._of_ended = [ended + count for ended, count in zip(self._of_ended, counts, strict=True)]
        self._seen = now
        voluntary, involuntary = (sum(counts[place] for counts in now.values()) for place in (0, 1))
        return self._of_ended[0] + voluntary, self._of_ended[1] + involuntary


def _shares(pids: list[int]) -> tuple[int, int] | tuple[None, None]:
    """PSS and USS of all together: that of a part of them would look like a tree that shrank."""
    pss = uss = 0
    for pid in pids:
        try:
            shares = procfs.memory_shares(pid)
        except OSError:
            shares = None
        if shares is None:
            return None, None
        pss, uss = pss + shares[0], uss + shares[1]
    return pss, uss


class ResourceObserver:
    """A thread that samples trees, and the machine beside them, until it is stopped.

    Args:
        keep: takes each sample, with ``t`` on CLOCK_MONOTONIC.
        tell: told of each process that a watched tree wins or loses.
        period_seconds: between samples of one tree.
    """

    def __init__(
        self,
        keep: Callable[[Sample], None],
        tell: Callable[[Change], None] = lambda _: None,
        *,
        period_seconds: float = 0.25,
    ) -> None:
        self._keep = keep
        self._tell = tell
        self._period = period_seconds
        self._trees: list[tuple[_Tree, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)

    def watch(self, watched: Watched, *, every: int = 1) -> None:
        """Sample this tree too, at every so manyeth period."""
        self._trees.append((_Tree(watched, self._tell), every))

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
            if turn % _SELDOM == 0 and (busy := machine.sample(time.monotonic())) is not None:
                self._keep(busy)
            turn += 1
            due = max(due + self._period, time.monotonic())

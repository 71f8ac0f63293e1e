"""What the kernel's control groups say of a container: its cost, its limits, and who was killed by them; v1 and v2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_UNLIMITED_BYTES = 1 << 60
"""v1 writes a number near 2^63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class CgroupFigures:
    """What one control group has used, at a moment."""

    cpu_seconds: float
    """Cumulative, of everything that ever ran in it."""
    memory_bytes: int
    """What it is charged with, without the file cache that the kernel gives back first: what `docker stats` and
    `kubectl top` show."""
    memory_peak_bytes: int | None
    """The most that it was ever charged with, cache included: the kernel's own mark; None: this kernel keeps none."""
    memory_limit_bytes: int | None
    """None: there is no limit."""
    throttled_seconds: float | None
    """For how long its CPU quota kept it from running; None: the kernel does not say."""
    kills: int | None
    """How many of its processes the kernel killed because of the memory limit; None: the kernel does not say."""


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A control group: the folders in which its controllers show it. With v2 they are one."""

    memory: Path
    cpu: Path
    cpuacct: Path
    unified: bool
    """v2."""

    def figures(self) -> CgroupFigures:
        """Read what it says now.

        Raises:
            OSError: it is gone, as that of a container is as soon as it has ended.
        """
        try:
            return self._of_v2() if self.unified else self._of_v1()
        except (ValueError, KeyError, IndexError) as problem:
            raise OSError(f"{self.memory} is not what a control group looks like: {problem}") from problem

    def _of_v1(self) -> CgroupFigures:
        stat, quota = _table(self.memory / "memory.stat"), _table(self.cpu / "cpu.stat")
        used = _number(self.memory / "memory.usage_in_bytes")
        limit = _number(self.memory / "memory.limit_in_bytes")
        return CgroupFigures(
            cpu_seconds=_number(self.cpuacct / "cpuacct.usage") / 1e9,
            memory_bytes=max(0, used - stat["total_inactive_file"]),
            memory_peak_bytes=_number(self.memory / "memory.max_usage_in_bytes"),
            memory_limit_bytes=None if limit >= _UNLIMITED_BYTES else limit,
            throttled_seconds=quota["throttled_time"] / 1e9 if "throttled_time" in quota else None,
            kills=_table(self.memory / "memory.oom_control").get("oom_kill"),
        )

    def _of_v2(self) -> CgroupFigures:
        stat, cpu = _table(self.memory / "memory.stat"), _table(self.cpu / "cpu.stat")
        limit = (self.memory / "memory.max").read_text(encoding="ascii").strip()
        peak = None
        with contextlib.suppress(FileNotFoundError):  # before Linux 5.19
            peak = _number(self.memory / "memory.peak")
        return CgroupFigures(
            cpu_seconds=cpu["usage_usec"] / 1e6,
            memory_bytes=max(0, _number(self.memory / "memory.current") - stat["inactive_file"]),
            memory_peak_bytes=peak,
            memory_limit_bytes=None if limit == "max" else int(limit),
            throttled_seconds=cpu["throttled_usec"] / 1e6 if "throttled_usec" in cpu else None,
            kills=_table(self.memory / "memory.events").get("oom_kill"),
        )


def cgroup_of(pid: int, proc: Path = PROC) -> Cgroup | None:
    """Return the control group that a process is in; None: that of the whole machine, or none that can be read.

    Raises:
        OSError: there is no such process.
    """
    paths = _paths((proc / str(pid) / "cgroup").read_text(encoding="utf-8").splitlines())
    mounted = _mounted((proc / "self" / "mountinfo").read_text(encoding="utf-8").splitlines())
    if paths.get("memory", "/") != "/":  # v1, also where v2 is mounted beside it
        wanted = ("memory", "cpu", "cpuacct")
        if any(name not in mounted or name not in paths for name in wanted):
            return None
        memory, cpu, cpuacct = (mounted[name] / paths[name].lstrip("/") for name in wanted)
        return Cgroup(memory, cpu, cpuacct, unified=False)
    if paths.get("", "/") != "/" and "" in mounted:
        folder = mounted[""] / paths[""].lstrip("/")
        return Cgroup(folder, folder, folder, unified=True) if (folder / "memory.current").exists() else None
    return None


def _paths(lines: Iterable[str]) -> dict[str, str]:
    """By controller, as /proc/PID/cgroup has them (cgroups(7)); v2 has the name of none."""
    found = {}
    for line in lines:
        _, controllers, path = line.split(":", maxsplit=2)
        for controller in controllers.split(","):
            found[controller] = path
    return found


def _mounted(lines: Iterable[str]) -> Mapping[str, Path]:
    """Where each controller's tree is mounted, as /proc/self/mountinfo has it (proc(5))."""
    found: dict[str, Path] = {}
    for line in lines:
        place, _, what = line.partition(" - ")
        kind, _, options = what.split(" ", maxsplit=2)
        if kind == "cgroup2":
            found.setdefault("", Path(place.split(" ")[4]))
        elif kind == "cgroup":
            for controller in options.split(","):
                found.setdefault(controller, Path(place.split(" ")[4]))
    return found


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _table(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    lines = path.read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}

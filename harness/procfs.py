"""What Linux says of a process in /proc, and of its CPU time by clock_gettime(2), read cheaply."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
TICK_SECONDS = 1 / _TICKS
"""The least by which the kernel tells CPU time of children that were waited for."""
_GONE = frozenset({None, "Z", "X"})
"""States in which nothing runs any more."""
_IDLE, _IOWAIT = 3, 4
"""proc_stat(5): of a processor's line, counted from the one after its name."""
_CUTIME, _CSTIME, _STARTTIME, _STARTSTACK = 13, 14, 19, 25
"""proc(5) fields 16, 17, 22 and 28 of /proc/PID/stat, counted from the one after the program's name."""
_COMMAND_CHARACTERS_MAX = 300


def create_time(pid: int) -> float:
    """When a process began, in seconds since the machine's boot; no setting of the clock moves it.

    Raises:
        OSError: there is no such process.
    """
    return int(_stat(pid)[_STARTTIME]) / _TICKS


def cpu_seconds(pid: int) -> float:
    """CPU time of one process without its children, in nanosecond steps.

    Raises:
        OSError: there is no such process.
    """
    # clock_getcpuclockid(3): the id of another process' CPU clock is this arithmetic.
    return time.clock_gettime(((~pid) << 3) | 2)


def ended_children_cpu_seconds(pid: int) -> float:
    """CPU time of the children that a process has waited for, in clock ticks of usually 10 ms.

    Raises:
        OSError: there is no such process.
    """
    fields = _stat(pid)
    return (int(fields[_CUTIME]) + int(fields[_CSTIME])) / _TICKS


def status(pid: int) -> dict[str, int]:
    """VmSize, VmRSS and VmHWM in KiB, and Threads. A zombie has no memory: the first three are missing.

    Raises:
        OSError: there is no such process.
    """
    found = {}
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        name, _, value = line.partition(b":")
        if name in {b"VmSize", b"VmRSS", b"VmHWM", b"Threads"}:
            found[name.decode()] = int(value.split()[0])
    return found


def takes(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal.

    Raises:
        OSError: there is no such process.
    """
    _, _, rest = Path(f"/proc/{pid}/status").read_bytes().partition(b"\nSigCgt:")
    mask = rest.split(maxsplit=1)[:1]
    return bool(mask) and bool(int(mask[0], 16) >> (number - 1) & 1)


def memory_shares(pid: int) -> tuple[int, int] | None:
    """Proportional (PSS) and unique (USS) memory in bytes, by smaps_rollup; None: this kernel has none, or a zombie.

    The kernel walks through all of the process' memory for it: some hundred microseconds.

    Raises:
        OSError: there is no such process, or it is another user's.
    """
    path = Path(f"/proc/{pid}/smaps_rollup")
    if not path.exists():
        return None
    pss, uss = None, 0
    for line in path.read_bytes().splitlines():
        name, _, value = line.partition(b":")
        if name == b"Pss":
            pss = int(value.split()[0]) * 1024
        elif name.startswith(b"Private_"):
            uss += int(value.split()[0]) * 1024
    return None if pss is None else (pss, uss)


def context_switches(pid: int) -> dict[int, tuple[int, int]]:
    """Voluntary and involuntary context switches of each thread that is there now, by its id, since it began."""
    found = {}
    for task in _threads(pid):
        with contextlib.suppress(OSError):  # it ended while it was looked at
            tail = (task / "status").read_bytes().rpartition(b"\nvoluntary_ctxt_switches:")[2].split()
            if len(tail) >= 3:  # noqa: PLR2004 - a number, a name and a number
                found[int(task.name)] = (int(tail[0]), int(tail[2]))
    return found


def image(pid: int) -> tuple[float, int]:
    """Create time, and where the program's stack begins: execve(2) gives a process a new one under the same pid.

    The second is 0 where the kernel does not tell it to us.

    Raises:
        OSError: there is no such process.
    """
    fields = _stat(pid)
    return int(fields[_STARTTIME]) / _TICKS, int(fields[_STARTSTACK])


def command(pid: int) -> str:
    """The command line, its arguments joined by blanks; empty: there is no such process, or it is a zombie."""
    try:
        given = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return given.replace(b"\0", b" ").decode(errors="replace").strip()[:_COMMAND_CHARACTERS_MAX]


def state(pid: int) -> str | None:
    """R, S, D, T, Z, ... as in proc(5); None: there is no such process."""
    try:
        return _stat(pid)[0].decode()
    except OSError:
        return None


def lives(pid: int) -> bool:
    """Whether something runs there still, or could: a zombie only waits to be asked how it ended."""
    return state(pid) not in _GONE


def capabilities(pid: int) -> int:
    """The effective capabilities of a process as bits (capabilities(7)); 0: none, or there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def owner(pid: int) -> tuple[int, int]:
    """The real user and group of a process.

    Raises:
        OSError: there is no such process.
    """
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(("Uid:", "Gid:")):
            found[line[:3]] = int(line.split()[1])
    return found["Uid"], found["Gid"]


def open_files(pid: int) -> int:
    """How many file descriptors are open.

    Raises:
        OSError: there is no such process, or it is another user's.
    """
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - four times a second; only the number is wanted


def open_descriptors(pid: int) -> set[int]:
    """The numbers of the open file descriptors.

    Raises:
        OSError: there is no such process, or it is another user's.
    """
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - only the numbers are wanted


def open_file_sizes(pid: int) -> dict[str, int]:
    """Path and size, in bytes, of each regular file that is open.

    Raises:
        OSError: there is no such process, or it is another user's.
    """
    sizes = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed while it was looked at
            found = link.stat()
            if stat.S_ISREG(found.st_mode):
                sizes[str(link.readlink())] = found.st_size
    return sizes


def thread_states(pid: int) -> list[str]:
    """The state of each thread of a tree, as proc(5) has it (R, S, D, T, Z ...); none where the process is gone."""
    states = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            states.append((task / "stat").read_bytes().rpartition(b")")[2].split()[0].decode())
    return states


def allowed_cpus(pid: int) -> list[frozenset[int]]:
    """For each thread of a tree, the processors on which the kernel lets it run."""
    allowed = []
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            allowed.append(frozenset(os.sched_getaffinity(int(task.name))))
    return allowed


def idle_seconds(cpu: int) -> float:
    """How long a processor had nothing to do since the machine's boot, in clock ticks of usually 10 ms.

    Raises:
        OSError: there is no such processor.
    """
    for line in Path("/proc/stat").read_bytes().splitlines():
        name, *ticks = line.split()
        if name == b"cpu%d" % cpu:
            return (int(ticks[_IDLE]) + int(ticks[_IOWAIT])) / _TICKS
    raise ProcessLookupError(cpu)


def mounted_file_systems() -> dict[Path, str]:
    """Which kind of file system stands where, as /proc/self/mounts has it; the last one mounted at a place counts."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, place, kind, *_ = line.split(" ")
            found[Path(place)] = kind
    return found


def soft_limit(pid: int, name: str) -> int | None:
    """A soft limit of /proc/PID/limits by the name that stands there; None: unlimited.

    Raises:
        OSError: there is no such process, or no such limit.
    """
    for line in Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            soft = line.removeprefix(name).split()[0]
            return None if soft == "unlimited" else int(soft)
    raise ProcessLookupError(name)


def tree(root: int) -> Iterator[int]:
    """The process and all of its descendants that are there now, the process first."""
    yield root
    for child in children(root):
        yield from tree(child)


def children(pid: int) -> list[int]:
    """The children that a process has now; none: it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - four times a second
            with contextlib.suppress(OSError):  # a thread that ended meanwhile
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_bytes().split())
    return found


def _tasks(pid: int) -> Iterator[Path]:
    """The folder of each thread of a tree."""
    for process in tree(pid):
        yield from _threads(process)


def _threads(pid: int) -> Iterator[Path]:
    """The folder of each thread of a process; none where it is gone."""
    with contextlib.suppress(OSError):
        yield from Path(f"/proc/{pid}/task").iterdir()


def _stat(pid: int) -> list[bytes]:
    # The name stands in parentheses and may hold any character, a closing one too.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    if len(fields) <= _STARTSTACK:
        raise ProcessLookupError(pid)
    return fields

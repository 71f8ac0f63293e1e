"""What Linux says of a process in /proc, and of its CPU time by clock_gettime(2), read cheaply."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_CUTIME, _CSTIME, _STARTTIME = 13, 14, 19
"""proc(5) fields 16, 17 and 22 of /proc/PID/stat, counted from the one after the program's name."""


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
    stat = _stat(pid)
    return (int(stat[_CUTIME]) + int(stat[_CSTIME])) / _TICKS


def status(pid: int) -> dict[str, int]:
    """VmRSS and VmHWM in KiB, and Threads. A zombie has no memory: the first two are missing.

    Raises:
        OSError: there is no such process.
    """
    found = {}
    for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
        name, _, value = line.partition(b":")
        if name in {b"VmRSS", b"VmHWM", b"Threads"}:
            found[name.decode()] = int(value.split()[0])
    return found


def state(pid: int) -> str | None:
    """R, S, D, T, Z, ... as in proc(5); None: there is no such process."""
    try:
        return _stat(pid)[0].decode()
    except OSError:
        return None


def capabilities(pid: int) -> int:
    """The effective capabilities of a process as bits (capabilities(7)); 0: none, or there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def open_files(pid: int) -> int:
    """How many file descriptors are open.

    Raises:
        OSError: there is no such process, or it is another user's.
    """
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - four times a second; only the number is wanted


def tree(root: int) -> Iterator[int]:
    """The process and all of its descendants that are there now, the process first."""
    yield root
    try:
        tasks = os.listdir(f"/proc/{root}/task")  # noqa: PTH208 - four times a second
        children = b" ".join(Path(f"/proc/{root}/task/{task}/children").read_bytes() for task in tasks)
    except OSError:
        return
    for child in children.split():
        yield from tree(int(child))


def _stat(pid: int) -> list[bytes]:
    # The name stands in parentheses and may hold any character, a closing one too.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    if len(fields) <= _STARTTIME:
        raise ProcessLookupError(pid)
    return fields

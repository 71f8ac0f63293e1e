"""The soft resource limits of a process that runs (prlimit(2)), also where it is another user's."""

from __future__ import annotations

import resource
import subprocess
from dataclasses import dataclass

from harness import procfs

_SECONDS = 5.0
_UNLIMITED = resource.RLIM_INFINITY


@dataclass(frozen=True, slots=True)
class SoftLimit:
    """One resource: its number, and what others call it."""

    number: int
    named: str
    """In /proc/PID/limits."""
    option: str
    """Of prlimit(1)."""


OPEN_FILES = SoftLimit(resource.RLIMIT_NOFILE, "Max open files", "nofile")
ADDRESS_SPACE = SoftLimit(resource.RLIMIT_AS, "Max address space", "as")
FILE_SIZE = SoftLimit(resource.RLIMIT_FSIZE, "Max file size", "fsize")


def change(pid: int, limit: SoftLimit, soft: int) -> int:
    """Set a soft limit (``resource.RLIM_INFINITY``: none); gives what it was. The hard one stays.

    Raises:
        OSError: there is no such process, or it may not be done.
        ValueError: the soft limit is beyond the hard one.
    """
    try:
        before, hard = resource.prlimit(pid, limit.number)
        resource.prlimit(pid, limit.number, (soft, hard))
    except PermissionError:  # another user's, and root here has no CAP_SYS_RESOURCE, as in many containers
        found = procfs.soft_limit(pid, limit.named)
        _as_its_user(pid, limit, soft)
        return _UNLIMITED if found is None else found
    return before


def _as_its_user(pid: int, limit: SoftLimit, soft: int) -> None:
    uid, gid = procfs.owner(pid)
    value = "unlimited" if soft == _UNLIMITED else str(soft)
    command = ["prlimit", "--pid", str(pid), f"--{limit.option}={value}:"]
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system
            command, user=uid, group=gid, extra_groups=[], capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as problem:
        raise OSError(f"prlimit did not end within {_SECONDS:g} s") from problem
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").strip() or f"prlimit ended with {done.returncode}")

"""A folder of a run's own in memory (tmpfs), as an emptyDir with medium Memory is in a pod; else one on the disk.

A file system on a disk writes its journal: a job that writes a thousand times a second is then measured, and not the
bridge. The folder is removed when the run ends, and by the keeper where the harness is killed. One that both of them
left behind, because both were killed, is removed by the next run of the same user: its name tells whose it was.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import procfs

PLACES = (Path("/dev/shm"),)  # noqa: S108 - a folder of our own is made there, with a name that nobody can guess
ROOM_BYTES_MIN = 256 * 1024 * 1024
"""Where there is less room, the disk is taken."""
_PREFIX = "bridge-harness-"


@dataclass(frozen=True, slots=True)
class MemoryFolder:
    """Where a run's metrics folder stands."""

    path: Path
    file_system: str
    """tmpfs, or that of the run's own folder."""
    close: Callable[[], None]
    """Remove it, where it was made for this run."""


def make(
    run_dir: Path, after_death: Callable[[Sequence[str]], Callable[[], None]] | None, places: Sequence[Path] = PLACES
) -> MemoryFolder:
    """Make a folder on the first place that is a tmpfs with room; where there is none, it is the run's own folder.

    Args:
        run_dir: the run's own folder.
        after_death: has a command carried out should the harness be killed; gives what calls that off. None: a folder
            in memory is not wanted.
        places: where a tmpfs may be.

    Raises:
        ProcessError: the run is over.
    """
    mounts = procfs.mounted_file_systems()
    for place in places if after_death is not None else ():
        if mounts.get(place) != "tmpfs" or not _has_room(place):
            continue
        _sweep(place)
        path = place / f"{_PREFIX}{os.getpid()}-{procfs.create_time(os.getpid()):.2f}-{secrets.token_hex(8)}"
        assert after_death is not None  # noqa: S101 - seen above; for the type checker
        call_off = after_death(["rm", "-rf", "--", str(path)])
        try:
            path.mkdir(mode=0o755)
        except OSError:
            call_off()
            continue

        def close(path: Path = path, call_off: Callable[[], None] = call_off) -> None:
            shutil.rmtree(path, ignore_errors=True)
            call_off()

        return MemoryFolder(path, "tmpfs", close)
    return MemoryFolder(run_dir, _file_system_of(run_dir, mounts), lambda: None)


def _has_room(place: Path) -> bool:
    with contextlib.suppress(OSError):
        found = os.statvfs(place)
        return os.access(place, os.W_OK | os.X_OK) and found.f_bavail * found.f_frsize >= ROOM_BYTES_MIN
    return False


def _sweep(place: Path) -> None:
    """Remove the folders of harnesses that are gone, and whose keepers are too."""
    for path in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            pid, began, _ = path.name.removeprefix(_PREFIX).split("-")
            if path.stat().st_uid == os.getuid() and not _lives(int(pid), float(began)):
                shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int, began: float) -> bool:
    try:
        return abs(procfs.create_time(pid) - began) < 0.01  # noqa: PLR2004 - a clock tick, of which the name has it
    except OSError:
        return False


def _file_system_of(path: Path, mounts: dict[Path, str]) -> str:
    there = path.resolve()
    return next((mounts[one] for one in (there, *there.parents) if one in mounts), "unknown")

"""Harm to the place where the metrics file stands: something else is there, or nobody may read it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness import procfs, unprivileged
from harness.child_environment import child_environment
from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.file import NoParameters, OnQuietFile
from harness.scenario import Strict

_PASSES_PERMISSIONS = 1 << unprivileged.CAP_DAC_OVERRIDE | 1 << unprivileged.CAP_DAC_READ_SEARCH
_PROBE_SECONDS = 10.0
_MIB = 1024 * 1024


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")  # a socket's path is bound to 107 bytes
        finally:
            os.close(here)


_KINDS: Mapping[str, tuple[Callable[[Path], object], Callable[[int], bool]]] = {
    "fifo": (os.mkfifo, stat.S_ISFIFO),
    "folder": (Path.mkdir, stat.S_ISDIR),
    "socket": (_socket, stat.S_ISSOCK),
    "link-to-nothing": (lambda path: path.symlink_to("nothing-there"), stat.S_ISLNK),
    "link-to-itself": (lambda path: path.symlink_to(path.name), stat.S_ISLNK),
}
"""What may stand there: how it is made, and how it is known."""


class Replaced(Strict):
    """Parameters of `FileReplaced`."""

    by: Literal["fifo", "folder", "socket", "link-to-nothing", "link-to-itself"] = "fifo"


class _OnQuietPlace(OnQuietFile):
    """What faults of the place share: it is on this machine."""

    _path: Path

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._path = ground.local_file


class FileReplaced(_OnQuietPlace):
    """Where the file was is something that is no file."""

    def __init__(self, ground: Ground, parameters: Replaced) -> None:
        super().__init__(ground)
        self._by = parameters.by

    def inject(self) -> str:
        """Pause the job, remove the file, put the other thing there."""
        self._pause()
        make, _ = _KINDS[self._by]
        try:
            self._path.unlink(missing_ok=True)
            make(self._path)
        except OSError as problem:
            raise FaultError(f"no {self._by} could be made: {problem}") from problem
        return f"in place of {self._path.name} is a {self._by}"

    def verify(self) -> Seen:
        """Look what is there."""
        _, known = _KINDS[self._by]
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return Seen(ok=False, evidence=f"there is nothing at {self._path.name}")
        return Seen(ok=known(mode), evidence=f"{self._path.name} is of the kind {stat.filemode(mode)[0]}")

    def heal(self) -> str:
        """Remove it, and let the job write again."""
        if self._path.is_dir() and not self._path.is_symlink():
            self._path.rmdir()
        elif os.path.lexists(self._path) and not self._path.is_file():
            self._path.unlink()
        return super().heal()


class FolderMissing(_OnQuietPlace):
    """The file's folder is gone: a volume that was unmounted."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        super().__init__(ground)
        self._folder = self._path.parent
        self._aside = self._folder.with_name(f"{self._folder.name}.gone")

    def inject(self) -> str:
        """Pause the job and rename the folder."""
        self._pause()
        try:
            self._folder.rename(self._aside)
        except OSError as problem:
            raise FaultError(f"the folder could not be renamed: {problem}") from problem
        return f"the folder {self._folder.name} was renamed"

    def verify(self) -> Seen:
        """Look for the folder."""
        there = self._folder.exists()
        return Seen(ok=not there, evidence=f"the folder {self._folder.name} is {'there' if there else 'not there'}")

    def heal(self) -> str:
        """Rename it back, and let the job write again."""
        if self._aside.exists():
            if self._folder.exists():
                shutil.rmtree(self._folder)
            self._aside.rename(self._folder)
        return super().heal()


class Huge(Strict):
    """Parameters of `FileHuge`."""

    mebibytes: Annotated[int, Field(ge=1, le=65536)] = 1024


class FileHuge(_OnQuietPlace):
    """The file is so large that nobody should read it. It is sparse: it takes no room on the disk."""

    def __init__(self, ground: Ground, parameters: Huge) -> None:
        super().__init__(ground)
        self._bytes = parameters.mebibytes * _MIB

    def inject(self) -> str:
        """Pause the job and put the large file in the file's place."""
        self._pause()
        unfinished = self._path.with_name(self._path.name + ".fault")
        try:
            with unfinished.open("wb") as file:
                file.truncate(self._bytes)
            unfinished.replace(self._path)
        except OSError as problem:
            raise FaultError(f"no file of {self._bytes} bytes could be made: {problem}") from problem
        return f"{self._path.name} has {self._bytes} bytes"

    def verify(self) -> Seen:
        """Look at its size."""
        try:
            found = self._path.stat().st_size
        except FileNotFoundError:
            return Seen(ok=False, evidence=f"there is no {self._path.name}")
        return Seen(ok=found >= self._bytes, evidence=f"{self._path.name} has {found} bytes")


class FilePermissionTaken(_OnQuietPlace):
    """The file may not be read. For a bridge that runs as root see ``bridge.obeys_permissions``."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        super().__init__(ground)
        self._before: int | None = None

    def inject(self) -> str:
        """Pause the job and take all permissions away."""
        self._pause()
        try:
            self._before = stat.S_IMODE(self._path.stat().st_mode)
            self._path.chmod(0)
        except OSError as problem:
            raise FaultError(f"the permissions could not be taken: {problem}") from problem
        return f"nobody has a permission on {self._path.name}"

    def verify(self) -> Seen:
        """Let a reader that is bound by permissions try; and see that the bridge is bound by them too."""
        command = [sys.executable, "-I", "-S", str(unprivileged.__file__), "cat", str(self._path)]
        read = subprocess.run(  # noqa: S603 - programs of ours and of the system
            command, capture_output=True, timeout=_PROBE_SECONDS, check=False, env=child_environment({})
        )
        said = read.stderr.decode(errors="replace").strip().rpartition(": ")[2]
        if read.returncode == 0 or "denied" not in said:
            return Seen(ok=False, evidence=f"a reader was not denied {self._path.name}: {said or 'it read the file'}")
        bridge = self._ground.bridge
        if bridge is not None and bridge.pid is not None and procfs.capabilities(bridge.pid) & _PASSES_PERMISSIONS:
            return Seen(ok=False, evidence="the bridge runs with root's right to pass permissions by")
        return Seen(ok=True, evidence=f"a reader of {self._path.name} was told: {said}")

    def heal(self) -> str:
        """Give the permissions back, and let the job write again."""
        if self._before is not None and self._path.exists():
            self._path.chmod(self._before)
        return super().heal()

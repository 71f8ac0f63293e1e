"""The only room that writes the metrics file: renamed over, in place, behind a symbolic link, or torn in two halves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

WriteMode = Literal["rename", "in-place", "symlink"]
WRITE_MODES: tuple[WriteMode, ...] = get_args(WriteMode)

_MODE = 0o644  # the bridge may run as another user


class MetricsFile:
    """The job's end of the metrics file."""

    def __init__(self, path: Path, mode: WriteMode, temporary_suffix: str = ".tmp") -> None:
        self._path = path
        self._temporary = path.with_suffix(temporary_suffix)
        self._mode = mode
        self._linked = 0

    def write(self, document: bytes, mtime_ns: int | None = None) -> None:
        """Write the whole document; it is visible to readers when this returns.

        Args:
            document: what is to stand in the file.
            mtime_ns: the time of change that the file is to have. In place it comes a moment after the document.

        Raises:
            OSError: it could not be written.
        """
        if self._mode == "in-place":
            _overwrite(self._path, document, mtime_ns=mtime_ns)
        elif self._mode == "rename":
            _overwrite(self._temporary, document, mtime_ns=mtime_ns)
            self._temporary.replace(self._path)
        else:
            self._link(document, mtime_ns)

    def _link(self, document: bytes, mtime_ns: int | None) -> None:
        """A file of its own for each write, and a link swapped to it: as volumes of Kubernetes are published."""
        before = self._path.resolve() if self._path.is_symlink() else None
        self._linked += 1
        target = self._path.with_suffix(f".{os.getpid()}-{self._linked}{self._path.suffix}")
        _overwrite(target, document, mtime_ns=mtime_ns)
        self._temporary.unlink(missing_ok=True)
        self._temporary.symlink_to(target.name)
        self._temporary.replace(self._path)
        if before is not None:
            before.unlink(missing_ok=True)

    def write_torn(self, document: bytes, between: Callable[[], object]) -> None:
        """Write in place in two halves, whatever the mode, and call ``between`` while only the first one is there.

        Raises:
            OSError: it could not be written.
        """
        middle = len(document) // 2
        _overwrite(self._path, document, cut=middle, between=between)


def _overwrite(
    path: Path,
    document: bytes,
    *,
    cut: int = 0,
    between: Callable[[], object] | None = None,
    mtime_ns: int | None = None,
) -> None:
    # Each write opens the file anew with O_TRUNC, as open(path, "w") of a plain job does: readers may find it empty.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        if between is not None:
            _write_all(descriptor, document[:cut])
            between()
        _write_all(descriptor, document[cut:])
        if mtime_ns is not None:
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

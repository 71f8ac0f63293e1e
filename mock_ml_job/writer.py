"""The only room that writes the metrics file: renamed over, in place, or torn in two halves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

WriteMode = Literal["rename", "in-place"]
WRITE_MODES: tuple[WriteMode, ...] = get_args(WriteMode)

_MODE = 0o644  # the bridge may run as another user


class MetricsFile:
    """The job's end of the metrics file."""

    def __init__(self, path: Path, mode: WriteMode) -> None:
        self._path = path
        self._temporary = path.with_suffix(".tmp")
        self._mode = mode

    def write(self, document: bytes) -> None:
        """Write the whole document; it is visible to readers when this returns.

        Raises:
            OSError: it could not be written.
        """
        if self._mode == "rename":
            _overwrite(self._temporary, document)
            self._temporary.replace(self._path)
        else:
            _overwrite(self._path, document)

    def write_torn(self, document: bytes, between: Callable[[], object]) -> None:
        """Write in place in two halves, whatever the mode, and call ``between`` while only the first one is there.

        Raises:
            OSError: it could not be written.
        """
        middle = len(document) // 2
        _overwrite(self._path, document, cut=middle, between=between)


def _overwrite(path: Path, document: bytes, *, cut: int = 0, between: Callable[[], object] | None = None) -> None:
    # Each write opens the file anew with O_TRUNC, as open(path, "w") of a plain job does: readers may find it empty.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        if between is not None:
            _write_all(descriptor, document[:cut])
            between()
        _write_all(descriptor, document[cut:])
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

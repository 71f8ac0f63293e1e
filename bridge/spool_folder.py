"""The only room that touches the spool's folder: names and bytes, and a lock. It knows nothing of what they mean.

All paths are one name inside a folder that is held open; symbolic links are not followed, and what is no regular file
is not opened. Every error of the system comes out as `SpoolError`.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import SpoolError

_LOCK = "lock"
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_MODE = 0o600


class SpoolFolder:
    """One folder, locked while it is open. A killed process leaves no lock behind.

    Args:
        path: made where it is missing; the folder that it is in must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = self._lock = -1

    def open(self) -> None:
        """Make it where needed, and lock it.

        Raises:
            SpoolError: it cannot be used, or another bridge uses it.
        """
        with _said("cannot be used"):
            try:
                self._folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                self._make()
                self._folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._lock = self._open(_LOCK, os.O_RDWR | os.O_CREAT)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.close()
                raise SpoolError("is in use by another bridge; give each one a BRIDGE_SPOOL_DIR of its own") from None
            except (OSError, SpoolError):  # the latter where it is no regular file
                self.close()
                raise

    def _make(self) -> None:
        try:
            self._path.mkdir(mode=0o700)
        except FileNotFoundError:
            raise SpoolError(f"cannot be made: make {self._path.parent} first, or set BRIDGE_SPOOL_DIR") from None

    def close(self) -> None:
        """Give it free."""
        for descriptor in (self._lock, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._lock = -1

    def names(self) -> list[str]:
        """All names in it, in order.

        Raises:
            SpoolError: it cannot be read.
        """
        with _said("cannot be read"):
            return sorted(os.listdir(self._folder))  # noqa: PTH208 - a path could be another folder by now

    def read(self, name: str, size_max_bytes: int) -> bytes:
        """The first so many bytes of a regular file.

        Raises:
            SpoolError: it is not there, no regular file or cannot be read.
        """
        with _said(f"{name} cannot be read"):
            descriptor = self._open(name, os.O_RDONLY)
            try:
                parts = []
                while size_max_bytes > 0 and (part := os.read(descriptor, min(size_max_bytes, 1 << 20))):
                    parts.append(part)
                    size_max_bytes -= len(part)
                return b"".join(parts)
            finally:
                os.close(descriptor)

    def create(self, name: str, *, exclusive: bool = True) -> int:
        """A new file of mode 0600, as a descriptor to `write` to; unless exclusive, also one that is there.

        Raises:
            SpoolError: it cannot be made.
        """
        with _said(f"{name} cannot be made"):
            return self._open(name, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if exclusive else 0))

    def write(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write at this offset as much as goes in one go.

        Returns:
            How many bytes were written, at least one.

        Raises:
            SpoolError: none could be.
        """
        with _said("cannot be written to"):
            return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut off what stands behind so many bytes.

        Raises:
            SpoolError: it cannot be done.
        """
        with _said("cannot be cut"):
            os.ftruncate(descriptor, size_bytes)

    def release(self, descriptor: int) -> None:
        """Close a file."""
        with _said("cannot be closed"):
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already.

        Raises:
            SpoolError: it cannot be removed.
        """
        with _said(f"{name} cannot be removed"), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    def has(self, names: Iterable[str]) -> bool:
        """Whether the folder is still where it was, and all these files in it.

        Raises:
            SpoolError: nobody can tell.
        """
        with _said("cannot be looked at"):
            try:
                if not os.path.samestat(self._path.stat(), os.fstat(self._folder)):
                    return False
                for name in names:
                    os.stat(name, dir_fd=self._folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def _open(self, name: str, flags: int) -> int:
        descriptor = os.open(name, flags | _FLAGS, _MODE, dir_fd=self._folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SpoolError(f"{name} is no regular file")
        return descriptor


@contextmanager
def _said(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(f"{what}: {error.strerror or error}") from error

"""The only room that touches the metrics file: a path in, a reading out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from bridge.errors import FileChanging, FileMissing, FileTooLarge, FileUnreadable, MetricsFileError, NotARegularFile

LOOKS_MAX = 3
"""How often a file is looked at again at once when a writer was caught at work. A read takes some 30 us; the writer of
our high-write-rate scenario writes once a millisecond."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


class Identity(NamedTuple):
    """Which file, and which state of it, as the system sees it."""

    device: int
    inode: int
    mtime_ns: int


class Reading(NamedTuple):
    """One look at the metrics file that gave bytes.

    Attributes:
        data: all of the file's bytes.
        identity: the same before and after the bytes were read.
        monotonic_seconds: when, on the monotonic clock.
        time_unix_nano: when, on the wall clock, for what is compared with the job's own times.
    """

    data: bytes
    identity: Identity
    monotonic_seconds: float
    time_unix_nano: int

    def same_as(self, other: Reading | None) -> bool:
        """Whether both saw the same bytes of the same state of the same file."""
        return other is not None and self.identity == other.identity and self.data == other.data


class MetricsFile:
    """The file that the job writes.

    It is opened anew for each look and never held open, never locked and never written to. What must exist is its
    folder; renaming over it, writing it in place and swapping a symbolic link are all seen at the next look.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size_max_bytes: int,
        *,
        monotonic: Callable[[], float],
        time_ns: Callable[[], int],
    ) -> None:
        self.path = path
        self.size_max_bytes = size_max_bytes
        self._monotonic = monotonic
        self._time_ns = time_ns

    def read(self) -> Reading:
        """Read the whole file as it stands now, without ever waiting for anybody.

        Raises:
            MetricsFileError: there are no bytes to be had; its subclasses say why.
        """
        for _ in range(LOOKS_MAX):
            reading = self._look()
            if reading is not None:
                return reading
        raise FileChanging(f"{self.path} was written to during each of {LOOKS_MAX} looks")

    def _look(self) -> Reading | None:
        """One look; None where the file changed under it, so that bytes and identity may not belong together."""
        try:
            # Before the open: opening a device can set it off, and opening a FIFO releases the one who writes to it.
            self._check(os.stat(self.path))  # noqa: PTH116 - pathlib is not loaded
            # O_NONBLOCK for what may have been put in its place since. Symbolic links are followed: swapping one is a
            # way to publish a file (Kubernetes' own volumes do it).
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                before = os.fstat(descriptor)
                self._check(before)
                data = self._read_all(descriptor)
                after = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileMissing(f"{self.path} is not there") from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise FileUnreadable(f"{self.path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        identity = _identity(after)
        if _identity(before) != identity or len(data) != after.st_size != 0:
            return None
        return Reading(data, identity, self._monotonic(), self._time_ns())

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for matches, name in _KINDS if matches(status.st_mode)), "something else")
            raise NotARegularFile(f"{self.path} is {kind}, not a regular file")
        if status.st_size > self.size_max_bytes:
            raise self._too_large(f"{status.st_size} bytes")

    def _read_all(self, descriptor: int) -> bytes:
        """All bytes up to the end, or one more than the bound: a file may have grown since its size was asked for."""
        parts: list[bytes] = []
        left = self.size_max_bytes + 1
        while left > 0 and (part := os.read(descriptor, min(left, 65536))):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise self._too_large(f"more than {self.size_max_bytes} bytes")
        return b"".join(parts)

    def _too_large(self, size: str) -> MetricsFileError:
        return FileTooLarge(f"{self.path} has {size}; the bound is {self.size_max_bytes}")


def _identity(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_mtime_ns)

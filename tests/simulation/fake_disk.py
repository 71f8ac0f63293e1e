"""A disk that goes wrong on purpose: full, read-only, failing now and then, killed in the middle of a write.

`FakeDisk` outlives the bridge; a `FakeFolder` is what one bridge has of it, as of `bridge.spool_folder.SpoolFolder`.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from bridge.errors import SpoolError
from tests.simulation.fake_time import Killed

DISK_MOODS = ("ok", "full", "read-only", "failing")


class FakeDisk:
    """Files by name. ``operations`` counts everything that touches it."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.holder: FakeFolder | None = None
        self.operations = 0
        self.mood = "ok"
        self.full_at_bytes = 0
        self.random = Random(0)  # noqa: S311 - repeatable on purpose
        self.kill_in_write = False
        self.segment_bytes_max = 0

    def become(self, mood: str, random: Random) -> None:
        self.mood, self.random = mood, random
        self.full_at_bytes = self.used_bytes() + random.choice((0, random.randint(0, 5000)))

    def used_bytes(self) -> int:
        return sum(len(data) for data in self.files.values())

    def segments(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(".segment"))

    def touch(self, *, writes: bool = True) -> None:
        self.operations += 1
        if writes and self.mood == "read-only":
            raise SpoolError("cannot be written to: Read-only file system")
        if self.mood == "failing" and self.random.random() < 0.3:
            raise SpoolError("cannot be used: Input/output error")

    def write(self, name: str, data: bytes, offset: int) -> int:
        file = self.files[name]
        room = max(0, self.full_at_bytes - self.used_bytes()) + max(0, len(file) - offset)
        fits = len(data) if self.mood != "full" else min(len(data), room)
        if self.kill_in_write:
            self.kill_in_write = False
            # A few bytes within a page go in at once; a long write can be cut anywhere.
            fits = self.random.randint(0, fits) if name.endswith(".segment") else self.random.choice((0, fits))
            file[offset : offset + fits] = data[:fits]
            raise Killed
        if not fits:
            raise SpoolError("cannot be written to: No space left on device")
        if name.endswith(".segment") and self.random.random() < 0.05:
            fits = self.random.randint(1, fits)
        file[offset : offset + fits] = data[:fits]
        if name.endswith(".segment"):
            self.segment_bytes_max = max(
                self.segment_bytes_max, sum(len(self.files[segment]) for segment in self.segments())
            )
        return fits


class FakeFolder:
    """See the module."""

    def __init__(self, disk: FakeDisk) -> None:
        self._disk = disk
        self._open: dict[int, str] = {}
        self._next = 3

    def open(self) -> None:
        self._disk.touch()
        if self._disk.holder is not None:
            raise SpoolError("cannot be used: another bridge uses it")
        self._disk.holder = self

    def close(self) -> None:
        assert self._disk.holder is self
        self._disk.holder = None

    def names(self) -> list[str]:
        self._disk.touch(writes=False)
        return sorted(self._disk.files)

    def read(self, name: str, size_max_bytes: int) -> bytes:
        self._disk.touch(writes=False)
        return bytes(self._disk.files[name][:size_max_bytes])

    def create(self, name: str, *, exclusive: bool = True) -> int:
        self._disk.touch()
        assert not (exclusive and name in self._disk.files)
        self._disk.files.setdefault(name, bytearray())
        self._next += 1
        self._open[self._next] = name
        assert len(self._open) <= 2, "files stay open"
        return self._next

    def write(self, descriptor: int, data: bytes, offset: int) -> int:
        self._disk.touch()
        return self._disk.write(self._open[descriptor], data, offset)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self._disk.touch()
        del self._disk.files[self._open[descriptor]][size_bytes:]

    def release(self, descriptor: int) -> None:
        del self._open[descriptor]

    def has(self, names: Iterable[str]) -> bool:
        self._disk.touch(writes=False)
        return self._disk.files.keys() >= set(names)

    def remove(self, name: str) -> None:
        self._disk.touch()
        self._disk.files.pop(name, None)

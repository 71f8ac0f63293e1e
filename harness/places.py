"""What faults and the job's orders ask of a file, wherever it is: `pathlib.Path` is one, a pod's another."""

from __future__ import annotations

import os
from typing import Protocol, Self


class FilePlace(Protocol):
    """What is asked of a file. All of it raises OSError as `pathlib.Path` does."""

    @property
    def name(self) -> str:
        """Without its folder."""
        ...

    def stat(self) -> os.stat_result:
        """What the system says of it."""
        ...

    def lstat(self) -> os.stat_result:
        """As stat, of a link itself."""
        ...

    def read_bytes(self) -> bytes:
        """All that it holds."""
        ...

    def write_bytes(self, data: bytes) -> int:
        """Let it hold this."""
        ...

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""
        ...

    def with_name(self, name: str) -> Self:
        """Another one in the same folder."""
        ...

    def replace(self, target: Self) -> object:
        """Rename it over another one."""
        ...


class FolderPlace(Protocol):
    """A folder that holds such files."""

    def __truediv__(self, name: str) -> FilePlace: ...

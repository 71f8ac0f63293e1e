"""Harm by resource limits (prlimit(2)) of the bridge that runs: no more files, no more memory, no more disk.

Only the soft limit is changed, which needs no rights: the process itself may be any user's that the harness may signal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from harness import procfs, soft_limits
from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.file import NoParameters
from harness.faults.process import needed, present_pid
from harness.scenario import Strict
from harness.soft_limits import SoftLimit

_GROW_SECONDS = 0.2


class _Limited:
    """What all of them share: the soft limit of one resource is brought down, and put back.

    That of every process of the bridge's tree: a launcher or a supervisor at its root works with nothing itself. What
    they start meanwhile has the limit of its parent.
    """

    _of: SoftLimit

    def __init__(self, ground: Ground) -> None:
        self._bridge = ground.bridge
        self._patience = ground.patience
        self._root = 0
        self._before: dict[int, int] = {}
        self._wanted: dict[int, int] = {}

    def _limit(self, wanted: Callable[[int], int]) -> str:
        """Bring the soft limits of the processes that run now down to what ``wanted`` makes of each pid."""
        self._root = present_pid(needed(self._bridge))
        for pid in list(procfs.tree(self._root)):
            try:
                soft = wanted(pid)
                self._before[pid] = soft_limits.change(pid, self._of, soft)
            except (OSError, ValueError) as problem:
                if pid != self._root and not procfs.lives(pid):
                    continue  # it ended meanwhile
                raise FaultError(f"the limit could not be set: {problem}") from problem
            self._wanted[pid] = soft
        return " and ".join(str(soft) for soft in self._wanted.values())

    def _in_force(self) -> tuple[bool, str]:
        """Whether the kernel itself reports the limit for all processes that run now."""
        root = present_pid(needed(self._bridge))
        found: dict[int, int | None] = {}
        for pid in procfs.tree(root):
            with contextlib.suppress(OSError):  # it ended meanwhile
                found[pid] = procfs.soft_limit(pid, self._of.named)
        inherited = set(self._wanted.values())
        holds = all(soft in ({self._wanted[pid]} if pid in self._wanted else inherited) for pid, soft in found.items())
        said = " and ".join("unlimited" if soft is None else str(soft) for soft in found.values())
        return holds and root in found and root == self._root, f"the kernel says {self._of.named.lower()}: {said}"

    def _limited(self) -> list[int]:
        """Those of them that live."""
        return [pid for pid in self._wanted if procfs.lives(pid)]

    def heal(self) -> str:
        """Put the limits back, also of those who began with them."""
        if not self._before or needed(self._bridge).pid != self._root:
            return "no process has the limit"
        for pid in list(procfs.tree(self._root)):
            try:
                soft_limits.change(pid, self._of, self._before.get(pid, self._before[self._root]))
            except ProcessLookupError:
                continue
            except (OSError, ValueError) as problem:
                raise FaultError(f"the limit could not be put back: {problem}") from problem
        return f"{self._of.named.lower()} is what it was"


class BridgeOutOfFiles(_Limited):
    """Every file descriptor that the bridge may have is in use: nothing can be opened, no connection made."""

    _of = soft_limits.OPEN_FILES

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        super().__init__(ground)

    def inject(self) -> str:
        """Let the limit be the first number that is free: every lower one is in use."""
        return f"the bridge may have {self._limit(self._first_free)} descriptors, and has them"

    def verify(self) -> Seen:
        """Look which descriptors are open: none may be free below the kernel's limit."""
        in_force, said = self._in_force()
        free = [number for pid in self._limited() if in_force for number in self._free(pid)]
        return Seen(ok=in_force and not free, evidence=f"{said}; free below it: {free or 'none'}")

    def _free(self, pid: int) -> list[int]:
        open_now = procfs.open_descriptors(pid)
        return [number for number in range(self._wanted[pid]) if number not in open_now]

    def _first_free(self, pid: int) -> int:
        """What is open at each of several looks: a file that is just being read is none of it."""
        lasting = procfs.open_descriptors(pid)
        for _ in range(5):
            self._patience.hold(0.03)
            lasting &= procfs.open_descriptors(pid)
        return next(number for number in range(len(lasting) + 1) if number not in lasting)


class Room(Strict):
    """Parameters of `BridgeOutOfAddressSpace`."""

    room_kib: Annotated[int, Field(ge=0, le=1024 * 1024)] = 0
    """How much more than now the bridge may have, KiB."""


class BridgeOutOfAddressSpace(_Limited):
    """The bridge's address space may not grow: what needs a new mapping, a thread or a large buffer, fails."""

    _of = soft_limits.ADDRESS_SPACE

    def __init__(self, ground: Ground, parameters: Room) -> None:
        super().__init__(ground)
        self._room_bytes = parameters.room_kib * 1024

    def inject(self) -> str:
        """Let the limit be what it has now, and the room."""
        softs = self._limit(lambda pid: procfs.status(pid)["VmSize"] * 1024 + self._room_bytes)
        return f"the bridge's address space may not grow beyond {softs} bytes"

    def verify(self) -> Seen:
        """Compare the kernel's limit with the address space that it reports."""
        in_force, said = self._in_force()
        sizes = {pid: procfs.status(pid)["VmSize"] * 1024 for pid in self._limited() if in_force}
        within = all(size <= self._wanted[pid] for pid, size in sizes.items())
        said = f"{said} bytes; in use: {' and '.join(map(str, sizes.values())) or 'unknown'}"
        return Seen(ok=in_force and within, evidence=said)


class Reach(Strict):
    """Parameters of `BridgeDiskFull`."""

    at_bytes: Annotated[int, Field(ge=0)] = 0
    """No file may grow beyond this."""


class BridgeDiskFull(_Limited):
    """No file of the bridge may grow (RLIMIT_FSIZE): each write fails, as on a disk that is full or over its quota.

    The kernel gives EFBIG where a full disk gives ENOSPC. The bridge's log is such a file too, and loses its lines.
    """

    _of = soft_limits.FILE_SIZE

    def __init__(self, ground: Ground, parameters: Reach) -> None:
        super().__init__(ground)
        self._at_bytes = parameters.at_bytes

    def inject(self) -> str:
        """Let no file grow beyond that size."""
        self._limit(lambda _: self._at_bytes)
        return f"no file of the bridge may grow beyond {self._at_bytes} bytes"

    def verify(self) -> Seen:
        """Ask the kernel for the limit, and look whether a file that the bridge writes is beyond it and grows."""
        in_force, said = self._in_force()
        before = self._sizes()
        self._patience.hold(_GROW_SECONDS)
        grown = [path for path, size in self._sizes().items() if size > max(before.get(path, size), self._at_bytes)]
        return Seen(ok=in_force and not grown, evidence=f"{said}; files that grew beyond it: {grown or 'none'}")

    def _sizes(self) -> dict[str, int]:
        """The files that the bridge holds open now."""
        sizes: dict[str, int] = {}
        for pid in self._limited():
            sizes.update(procfs.open_file_sizes(pid))
        return sizes

"""Which processes a tree consists of: who is seen for the first time, and who is gone while the root lives on.

A process is known by its pid, its create time and its image: what execve(2) has made of it. So one that was replaced
is told from one that lived on, whatever became of its pid. Who lives shorter than one look may never be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from harness import procfs


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a tree, as long as it is the same program."""

    pid: int
    create_time: float
    image: int
    command: str


@dataclass(frozen=True, slots=True)
class Change:
    """A member that began or ended, as it was noticed."""

    t: float
    role: str
    action: Literal["began", "ended"]
    root: int
    """The pid of the tree's root."""
    member: Member
    unseen_seconds: float = 0.0
    """Of one that ended: how long before ``t`` it was last seen."""


class Members:
    """The members of one tree from one look to the next.

    Args:
        role: whose tree it is.
        root: the pid of its root.
        root_lives: whether the root is still the process that was meant.
        tell: told of each change.
    """

    def __init__(self, role: str, root: int, root_lives: Callable[[], bool], tell: Callable[[Change], None]) -> None:
        self._role = role
        self._root = root
        self._root_lives = root_lives
        self._tell = tell
        self._known: dict[int, Member] = {}
        self._looked = 0.0

    def look(self, pids: Iterable[int], t: float) -> list[int]:
        """Compare with the look before; gives the pids of all that live, those too that left the tree meanwhile."""
        now = {pid: found for pid in dict.fromkeys([*pids, *self._known]) if (found := _member(pid)) is not None}
        # With the root all others end, and that is its end, not theirs. Asked last: it may have ended meanwhile.
        if not self._root_lives() or _member(self._root) is None:
            return list(now)
        for pid, member in self._known.items():
            if not _same(now.get(pid), member):
                self._tell(Change(t, self._role, "ended", self._root, member, t - self._looked))
        for pid, member in now.items():
            if not _same(self._known.get(pid), member):
                self._tell(Change(t, self._role, "began", self._root, member))
        self._known, self._looked = now, t
        return list(now)


def _member(pid: int) -> Member | None:
    try:
        create_time, image = procfs.image(pid)
    except OSError:
        return None
    command = procfs.command(pid)  # read last: an ending process has lost its memory, and with it this, first
    return Member(pid, create_time, image, command) if command and procfs.lives(pid) else None


def _same(one: Member | None, other: Member) -> bool:
    """The command line may change while a program runs: some write their state into it."""
    return one is not None and (one.create_time, one.image) == (other.create_time, other.image)

"""What outlives the process that it came from and knows no mark: orphans that fall to the harness, and are ended.

A process that we start keeps its own orphans as long as it lives (`own_orphans.py`). When it ends they become children
of the harness, which is a subreaper too: children that nobody here started, in sessions of their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from functools import cache
from pathlib import Path

from harness import keeper, own_orphans, procfs

_ROUNDS = 5
"""One that is just starting another one is met in the next round."""
_ours: set[int] = set()
starting = threading.Lock()
"""Held from the start of a child in a session of its own until `expect` is told: meanwhile it looks like an orphan."""


@cache
def adopt() -> bool:
    """Let orphans of what we start fall to this process; False: this kernel does not do it."""
    return own_orphans.become_subreaper()


def expect(pid: int) -> None:
    """Tell of a child that was started here."""
    _ours.add(pid)


def forget(pid: int) -> None:
    """It was waited for: its number may be another's from now on."""
    _ours.discard(pid)


def end_since(create_time: float) -> list[int]:
    """Kill the orphans that began after a moment (in seconds since boot) and fell to us, and all that comes from them.

    Returns:
        The pids that were killed.
    """
    killed: list[int] = []
    with starting:
        for _ in range(_ROUNDS):
            found = [pid for pid in _children() if _is_orphan(pid, create_time)]
            for orphan in found:
                for pid in procfs.tree(orphan):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                with contextlib.suppress(OSError):  # it is our child by now, so its number is nobody else's until here
                    os.waitpid(orphan, 0)
            if not found:
                break
    return killed


def _children() -> list[int]:
    return [pid for pid in procfs.children(os.getpid()) if pid not in _ours]


def _is_orphan(pid: int, create_time: float) -> bool:
    """No other child of this program: those share its session, have its environment, or carry a mark of their own."""
    try:
        if procfs.create_time(pid) < create_time or os.getsid(pid) == os.getsid(0):
            return False
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        own = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return environment != own and not any(entry.startswith(f"{keeper.MARK}=".encode()) for entry in environment)

"""Outlives the harness by a moment, to end what a killed harness leaves behind: ``keeper.py FD``.

Run by path as a program of its own, in a session of its own. It reads ``+GROUP MARK`` and ``-GROUP MARK`` lines from
the pipe that the harness holds open; when the pipe ends, the harness is gone, and every group still on the list is
killed, and with it the strays: processes that left the group, known by the mark that they inherited in their
environment.
"""

import contextlib
import os
import signal
import sys

MARK = "HARNESS_PROCESS"
"""The environment variable that a child of a run and all that come from it carry."""
_ROUNDS = 5
"""A stray that is just starting another one is met in the next round."""


def marked(mark: str) -> list[int]:
    """Return the pids of all processes that carry a mark, those of this moment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib takes ten times as long
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as environ:  # noqa: PTH123 - as above
                if wanted in environ.read().split(b"\0"):
                    found.append(int(name))
    return found


def end_strays(mark: str) -> None:
    """Kill every process that carries a mark. It is held by a pidfd meanwhile, so that no stranger is met."""
    for _ in range(_ROUNDS):
        strays = marked(mark)
        for pid in strays:
            with contextlib.suppress(OSError):
                held = os.pidfd_open(pid)
                try:
                    if pid in marked(mark):
                        signal.pidfd_send_signal(held, signal.SIGKILL)
                finally:
                    os.close(held)
        if not strays:
            return


def main(pipe: int) -> None:
    """Follow the list until the harness is gone, then kill what is on it."""
    groups: set[tuple[int, str]] = set()
    with os.fdopen(pipe, "r", encoding="ascii") as lines:
        for line in lines:
            group, mark = line[1:].split()
            (groups.add if line.startswith("+") else groups.discard)((int(group), mark))
    for number, mark in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(number, signal.SIGKILL)
        end_strays(mark)


if __name__ == "__main__":
    main(int(sys.argv[1]))

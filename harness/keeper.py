"""Outlives the harness by a moment, to end what a killed harness leaves behind: ``keeper.py FD``.

Run by path as a program of its own, in a session of its own. It reads ``+GROUP`` and ``-GROUP`` lines from the pipe
that the harness holds open; when the pipe ends, the harness is gone, and every group still on the list is killed.
"""

import contextlib
import os
import signal
import sys


def main(pipe: int) -> None:
    """Follow the list until the harness is gone, then kill what is on it."""
    groups: set[int] = set()
    with os.fdopen(pipe, "rb") as lines:
        for line in lines:
            (groups.add if line.startswith(b"+") else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))

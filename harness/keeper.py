"""Outlives the harness by a moment, to end what a killed harness leaves behind: ``keeper.py FD``.

Run by path as a program of its own, in a session of its own. It reads ``+GROUP MARK`` and ``-GROUP MARK`` lines from
the pipe that the harness holds open; when the pipe ends, the harness is gone, and every group still on the list is
killed, and with it the strays: processes that left the group, known by the mark that they inherited in their
environment. ``!NUMBER COMMAND`` (a JSON list) is a command to carry out then, for what no signal ends; ``~NUMBER done``
calls it off.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys

MARK = "HARNESS_PROCESS"
"""The environment variable that a child of a run and all that come from it carry."""
_ROUNDS = 5
"""A stray that is just starting another one is met in the next round."""
_COMMAND_SECONDS = 120.0
"""An engine that answers no longer must not keep the keeper for ever."""


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


def descendants(root: int) -> list[int]:
    """Hold all that comes from a process by pidfds: those too that left its group, and carry no mark."""
    held = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{root}/task"):  # noqa: PTH208 - as above
            with open(f"/proc/{root}/task/{task}/children", "rb") as children:  # noqa: PTH123 - as above
                for child in map(int, children.read().split()):
                    with contextlib.suppress(OSError):
                        held.append(os.pidfd_open(child))
                    held += descendants(child)
    return held


def main(pipe: int) -> None:
    """Follow the list until the harness is gone, then kill what is on it and carry out what was promised."""
    groups: set[tuple[int, str]] = set()
    promised: dict[int, list[str]] = {}
    with os.fdopen(pipe, "r", encoding="ascii") as lines:
        for line in lines:
            number, rest = line[1:].split(maxsplit=1)
            if line.startswith("!"):
                promised[int(number)] = json.loads(rest)
            elif line.startswith("~"):
                promised.pop(int(number), None)
            else:
                (groups.add if line.startswith("+") else groups.discard)((int(number), rest.strip()))
    for group, mark in groups:
        left = descendants(group)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for held in left:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(held, signal.SIGKILL)
            os.close(held)
        end_strays(mark)
    for _, command in sorted(promised.items(), reverse=True):
        carry_out(command)


def carry_out(command: list[str]) -> None:
    """Run a command to its end. What it says is lost: nobody is there to read it."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(  # noqa: S603 - the harness promised it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))

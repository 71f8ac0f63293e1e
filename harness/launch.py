"""Become another program that ends with the harness: ``launch.py PARENT_PID COMMAND [ARGUMENT ...]``.

Run by path as a program of its own, not imported: what has to happen between fork and exec is not safe in a process
with threads (`subprocess`' ``preexec_fn``), and here it happens in a fresh one. The pid and the create time stay.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel for SIGKILL when the parent dies, put signals back to their defaults, exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was made
        os._exit(126)
    # This interpreter ignores SIGPIPE, a shell's background job SIGINT; what is ignored stays so across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - to start the given command is what this program is for
    except OSError as problem:
        os.write(2, f"cannot start {command[0]}: {problem.strerror}\n".encode())
        os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

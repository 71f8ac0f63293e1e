"""Runs a command that keeps what comes from it: a descendant whose parent ends becomes its child, as that of PID 1.

``python -I -S own_orphans.py COMMAND [ARGUMENT]...``: it becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER, which
execve(2) preserves) and then the command, which so is the very process that was started. In a container the bridge is
PID 1 and gets its orphans anyway; here it must not lose them, for they are part of what it costs.
"""

import ctypes
import os
import sys
from typing import NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_CANNOT = 126


def become_subreaper() -> bool:
    """From now on orphans among this process' descendants become its children; False: this kernel does not do it."""
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def main() -> NoReturn:
    """Become the command; end with code 126 where the kernel does not keep orphans, or there is no such command."""
    if not become_subreaper():
        sys.stderr.write("the orphans of the command cannot be kept: the kernel knows no PR_SET_CHILD_SUBREAPER\n")
        sys.exit(_CANNOT)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - to become the given command is what this is for
    except OSError as problem:
        sys.stderr.write(f"{sys.argv[1]} cannot be executed: {problem.strerror}\n")
        sys.exit(_CANNOT)


if __name__ == "__main__":
    main()

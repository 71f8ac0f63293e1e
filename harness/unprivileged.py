"""Runs a command that is bound by the permissions of files, also where the harness is root: as in production.

``python -I -S unprivileged.py COMMAND [ARGUMENT]...``: it takes away what lets root pass them by (capabilities(7),
CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH) and becomes the command, which so is the very process that was started.
"""

import ctypes
import os
import sys
from typing import NoReturn

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
_PR_CAPBSET_DROP = 24  # prctl(2): not in the permitted set of what is executed from now on
_CANNOT = 126


def main() -> NoReturn:
    """Become the command; end with code 126 where root's rights cannot be taken away."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) if os.geteuid() == 0 else ():
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            why = os.strerror(ctypes.get_errno())
            sys.stderr.write(f"root's way past permissions cannot be taken away: {why}\n")
            sys.exit(_CANNOT)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - to become the given command is what this is for


if __name__ == "__main__":
    main()

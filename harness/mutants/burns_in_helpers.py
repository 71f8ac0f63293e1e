"""A bridge that has each tick's work done by a helper process and lets the kernel clear away what is left of it."""

from __future__ import annotations

import os
import signal
import sys
import time

from bridge.__main__ import main
from bridge.loop import Loop

CPU_SECONDS = 0.4

tick_alone = Loop.tick


def tick(self: Loop) -> None:
    """Tick, and leave much to do to somebody else."""
    tick_alone(self)
    if os.fork() == 0:
        end = time.thread_time() + CPU_SECONDS
        while time.thread_time() < end:
            pass
        os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody is told what a child has used
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

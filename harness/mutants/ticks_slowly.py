"""A bridge that works 5 ms more at each tick: within every limit, and caught by comparison alone."""

from __future__ import annotations

import sys
import time

from bridge.__main__ import main
from bridge.loop import Loop

MORE_SECONDS = 0.005

tick_without_delay = Loop.tick


def tick(self: Loop) -> None:
    """Tick, and spend CPU time for nothing."""
    end = time.thread_time() + MORE_SECONDS
    while time.thread_time() < end:
        pass
    tick_without_delay(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

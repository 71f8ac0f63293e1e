"""A bridge with a watchdog that takes a clock that jumped, as after SIGCONT, for a hang of its own, and ends."""

from __future__ import annotations

import sys
import time

from bridge.__main__ import main
from bridge.loop import Loop

LATE_SECONDS = 3.0

tick_without_watchdog = Loop.tick
last: list[float] = []


def tick(self: Loop) -> None:
    """Tick, where the last one was not long ago."""
    now = time.monotonic()
    if last and now - last[-1] > LATE_SECONDS:
        sys.exit("a tick came too late")
    last[:] = [now]
    tick_without_watchdog(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

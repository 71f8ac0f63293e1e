"""A bridge that starts a thread now and then and never ends it."""

from __future__ import annotations

import sys
import threading

from bridge.__main__ import main
from bridge.loop import Loop

TICKS = 40

tick_without_leak = Loop.tick
ticks = 0
never = threading.Event()


def tick(self: Loop) -> None:
    """Tick, and each fortieth time leave a thread behind."""
    global ticks  # noqa: PLW0603 - a mutant is one defect, not a design
    ticks += 1
    if ticks % TICKS == 0:
        threading.Thread(target=never.wait, daemon=True).start()
    tick_without_leak(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

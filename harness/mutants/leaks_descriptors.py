"""A bridge that forgets to close a file now and then."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main
from bridge.loop import Loop

TICKS = 40

tick_without_leak = Loop.tick
ticks = 0
forgotten: list[int] = []


def tick(self: Loop) -> None:
    """Tick, and each fortieth time leave a file open."""
    global ticks  # noqa: PLW0603 - a mutant is one defect, not a design
    ticks += 1
    if ticks % TICKS == 0:
        forgotten.append(os.open(os.devnull, os.O_RDONLY))
    tick_without_leak(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

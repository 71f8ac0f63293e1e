"""A bridge that prints a traceback now and then and goes on."""

from __future__ import annotations

import sys
import traceback

from bridge.__main__ import main
from bridge.loop import Loop

TICKS = 100

tick_without_traceback = Loop.tick
ticks = 0


def tick(self: Loop) -> None:
    """Tick, and each hundredth time print a traceback before."""
    global ticks  # noqa: PLW0603 - a mutant is one defect, not a design
    ticks += 1
    if ticks % TICKS == 0:
        try:
            int("no number")
        except ValueError:
            traceback.print_exc()
    tick_without_traceback(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

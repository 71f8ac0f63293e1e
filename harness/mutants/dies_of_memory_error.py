"""A bridge that ends when a buffer cannot be had."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.loop import Loop

tick_or_raise = Loop.tick


def tick(self: Loop) -> None:
    """Tick, and die where memory is short."""
    try:
        tick_or_raise(self)
    except MemoryError:
        sys.exit("no memory")


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

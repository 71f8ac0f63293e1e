"""A bridge that keeps a little of each tick for ever: 4 KiB, nothing that a limit of memory would show for hours."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.loop import Loop

KEPT_BYTES = 4096

tick_without_leak = Loop.tick
kept: list[bytes] = []


def tick(self: Loop) -> None:
    """Tick, and keep something of it."""
    kept.append(b"\x01" * KEPT_BYTES)
    tick_without_leak(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

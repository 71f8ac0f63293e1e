"""A bridge that keeps 4 MiB of each tick for ever."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.loop import Loop

LEAK_BYTES = 4 * 1024 * 1024

tick_without_leak = Loop.tick
kept: list[bytes] = []


def tick(self: Loop) -> None:
    """Tick, and keep something of it."""
    kept.append(b"\x01" * LEAK_BYTES)
    tick_without_leak(self)


if __name__ == "__main__":
    Loop.tick = tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

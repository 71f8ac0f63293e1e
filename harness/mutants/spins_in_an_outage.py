"""A bridge that asks for the time again and again while it waits for its next try at a collector that is away."""

from __future__ import annotations

import sys
import threading
import time

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.otlp import Delivered

SHARE = 0.3
"""Of one core."""

put_off = Delivery._was_put_off  # noqa: SLF001 - a mutant breaks what is inside
was_delivered = Delivery._was_delivered  # noqa: SLF001 - as above
away = threading.Event()


def begin(self: Delivery, not_before: float) -> None:
    """The collector is away."""
    away.set()
    put_off(self, not_before)


def end(self: Delivery, result: Delivered, now: float) -> None:
    """It is there again."""
    away.clear()
    was_delivered(self, result, now)


def spin() -> None:
    """Burn, a hundredth of a second after the other."""
    while away.wait():
        until = time.thread_time() + 0.01 * SHARE
        while time.thread_time() < until:
            pass
        time.sleep(0.01 * (1 - SHARE))


if __name__ == "__main__":
    Delivery._was_put_off = begin  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    Delivery._was_delivered = end  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    threading.Thread(target=spin, daemon=True).start()
    sys.exit(main())

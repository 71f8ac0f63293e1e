"""A bridge that sends its newest request when it is told to end, and throws away what waits before it."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.outbox import SHUTDOWN

drain = Delivery.stop


def stop(self: Delivery, now: float, budget_seconds: float) -> None:
    """Keep one."""
    while len(self._outbox) > 1:
        self._outbox.drop_oldest(SHUTDOWN)
    drain(self, now, budget_seconds)


if __name__ == "__main__":
    Delivery.stop = stop  # type: ignore[method-assign]  # the defect
    sys.exit(main())

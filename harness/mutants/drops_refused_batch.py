"""A bridge that throws away all that shared a call with the one request that was refused."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.outbox import REFUSED


def was_refused(self: Delivery, now: float) -> None:
    """Drop the whole call."""
    outbox = self._outbox
    count = len(outbox.in_flight)
    outbox.put_back()
    for _ in range(count):
        outbox.drop_oldest(REFUSED)
    self._not_before = now


if __name__ == "__main__":
    Delivery._was_refused = was_refused  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

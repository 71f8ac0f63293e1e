"""A bridge that throws away what it could not deliver at the first try, as the SDK's own exporter does."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.outbox import QUEUE_FULL

put_off = Delivery._was_put_off  # noqa: SLF001 - a mutant breaks what is inside


def was_put_off(self: Delivery, not_before: float) -> None:
    """Put the call off, and drop what was in it and what waits behind it."""
    put_off(self, not_before)
    while self._outbox.waits:
        self._outbox.drop_oldest(QUEUE_FULL)


if __name__ == "__main__":
    Delivery._was_put_off = was_put_off  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

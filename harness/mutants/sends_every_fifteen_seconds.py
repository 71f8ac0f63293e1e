"""A bridge that lets its requests wait for fifteen seconds, to send them together."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.otlp import Delivered

SECONDS = 15.0
"""5 s more than `arrival-latency` allows in `steady`: the first delivery, which nothing waits for, takes 4 of them."""

was_delivered = Delivery._was_delivered  # noqa: SLF001 - a mutant breaks what is inside


def delivered(self: Delivery, result: Delivered, now: float) -> None:
    """Rest after each call that went well."""
    was_delivered(self, result, now)
    self._not_before = now + SECONDS  # the defect


if __name__ == "__main__":
    Delivery._was_delivered = delivered  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

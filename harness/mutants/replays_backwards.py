"""A bridge that sends a backlog one by one with the newest first."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.outbox import Outbox, Request


def take(self: Outbox, count_max: int, raw_bytes_max: int) -> tuple[Request, ...]:  # noqa: ARG001 - the real one's
    """Put the newest in flight, alone."""
    self.in_flight = (self._waiting.pop(),)
    return self.in_flight


if __name__ == "__main__":
    Outbox.take = take  # type: ignore[method-assign]  # the defect
    sys.exit(main())

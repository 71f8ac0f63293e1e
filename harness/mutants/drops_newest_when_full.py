"""A bridge that turns away what is new when its queue is full, and keeps what is old."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.outbox import QUEUE_FULL, Outbox, Request

put_as_newest = Outbox.put


def put(self: Outbox, request: Request) -> int:
    """Take a request where there is room."""
    if len(self) < self.count_max:
        return put_as_newest(self, request)
    self.put_count += 1
    self.dropped_counts[QUEUE_FULL] += 1
    return 0


if __name__ == "__main__":
    Outbox.put = put  # type: ignore[method-assign]  # the defect
    sys.exit(main())

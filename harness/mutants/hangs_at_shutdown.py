"""A bridge whose drain has no end while the collector does not answer."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Stats
from bridge.sender import Sender

stop_in_time = Sender.stop


def stop(self: Sender, budget_seconds: float) -> Stats:  # noqa: ARG001 - the real one's
    """Drain for as long as it takes."""
    return stop_in_time(self, 3600.0)


if __name__ == "__main__":
    Sender.stop = stop  # type: ignore[method-assign]  # the defect
    sys.exit(main())

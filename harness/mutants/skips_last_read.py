"""A bridge that ends on SIGTERM without looking at the metrics file once more."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.loop import Loop


def last_tick(self: Loop) -> None:
    """Do nothing."""


if __name__ == "__main__":
    Loop.last_tick = last_tick  # type: ignore[method-assign]  # the defect
    sys.exit(main())

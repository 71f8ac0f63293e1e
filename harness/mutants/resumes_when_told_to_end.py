"""A bridge that tries no more after a lost connection, until it is told to end: then it delivers all that waits."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery


def pause(_self: Delivery) -> float:
    """Wait for an hour; the drain ends the wait."""
    return 3600.0


if __name__ == "__main__":
    Delivery._reconnect_pause = pause  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

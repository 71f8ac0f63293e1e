"""A bridge that stamps its points a year ahead."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.instruments import Instruments

YEAR_NANO = 365 * 24 * 3600 * 1_000_000_000

collect = Instruments.collect


def ahead(self: Instruments, time_unix_nano: int, *, gauges_live: bool = True) -> bytes | None:
    """Collect with the time of next year."""
    return collect(self, time_unix_nano + YEAR_NANO, gauges_live=gauges_live)


if __name__ == "__main__":
    Instruments.collect = ahead  # type: ignore[method-assign]  # the defect
    sys.exit(main())

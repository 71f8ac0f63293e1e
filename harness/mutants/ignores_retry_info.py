"""A bridge that comes again after a pause of its own, whatever RetryInfo says, as the stock exporter does."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery

pause = Delivery._busy_pause  # noqa: SLF001 - a mutant breaks what is inside


def busy_pause(self: Delivery, _after_seconds: float | None) -> float:
    """Pause as if nothing had been said."""
    return pause(self, None)


if __name__ == "__main__":
    Delivery._busy_pause = busy_pause  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

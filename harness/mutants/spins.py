"""A bridge that asks for the time again and again instead of sleeping until its next tick."""

from __future__ import annotations

import sys
import time

from bridge.__main__ import main
from bridge.stop import Stop


def wait(self: Stop, seconds: float) -> bool:
    """Wait by spinning."""
    end = time.monotonic() + seconds
    while self.signal_number is None and time.monotonic() < end:
        pass
    return self.signal_number is not None


if __name__ == "__main__":
    Stop.wait = wait  # type: ignore[method-assign]  # the defect
    sys.exit(main())

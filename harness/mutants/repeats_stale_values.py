"""A bridge that shows the last values for ever, as the SDK's synchronous gauges do."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.freshness import Freshness


def live(self: Freshness, now: float) -> bool:  # noqa: ARG001 - the real one's
    """Believe in any file."""
    return True


if __name__ == "__main__":
    Freshness.live = live  # type: ignore[method-assign]  # the defect
    sys.exit(main())

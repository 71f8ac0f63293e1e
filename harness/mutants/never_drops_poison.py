"""A bridge that sends a request which was refused for good again and again, and nothing else meanwhile."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery


def was_refused(self: Delivery, now: float) -> None:
    """Take a refusal for a lost connection."""
    self._was_put_off(now + self._reconnect_pause())


if __name__ == "__main__":
    Delivery._was_refused = was_refused  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

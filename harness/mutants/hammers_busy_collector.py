"""A bridge that calls a collector which asks for patience again at once."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery


def busy_pause(self: Delivery, _after_seconds: float | None) -> float:  # noqa: ARG001 - the real one's
    """Pause for next to nothing."""
    return 0.05


if __name__ == "__main__":
    Delivery._busy_pause = busy_pause  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

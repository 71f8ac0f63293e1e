"""A bridge that takes the same reading for a new one at each look."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.metrics_file import Reading


def same_as(self: Reading, other: Reading | None) -> bool:  # noqa: ARG001 - the real one's
    """Find a difference in any case."""
    return False


if __name__ == "__main__":
    Reading.same_as = same_as  # type: ignore[method-assign]  # the defect
    sys.exit(main())

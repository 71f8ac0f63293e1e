"""A bridge that takes a file for a new one only where it is younger than the last."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.metrics_file import Reading


def same_as(self: Reading, other: Reading | None) -> bool:
    """Look at the time of change alone."""
    return other is not None and self.identity.mtime_ns <= other.identity.mtime_ns


if __name__ == "__main__":
    Reading.same_as = same_as  # type: ignore[method-assign]  # the defect
    sys.exit(main())

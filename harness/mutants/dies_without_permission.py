"""A bridge that ends when it may not read the metrics file."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.errors import FileUnreadable
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Read, and die of a file that may not be read."""
    try:
        return look(self)
    except FileUnreadable as error:
        sys.exit(f"cannot read: {error}")


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

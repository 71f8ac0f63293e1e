"""A bridge that ends when the metrics file is missing."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.errors import FileMissing
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Read, and die of a missing file."""
    try:
        return look(self)
    except FileMissing as error:
        sys.exit(f"no metrics file: {error}")


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

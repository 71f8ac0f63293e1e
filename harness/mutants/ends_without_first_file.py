"""A bridge that ends when the metrics file is not there yet at its start."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.errors import FileMissing
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read
read_once: list[bool] = []


def read(self: MetricsFile) -> Reading:
    """Want to see a file at the first look."""
    try:
        reading = look(self)
    except FileMissing as error:
        if not read_once:
            sys.exit(f"no metrics file: {error}")
        raise
    read_once.append(True)
    return reading


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

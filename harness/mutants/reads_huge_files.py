"""A bridge that reads before it asks for the size."""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.__main__ import main
from bridge.metrics_file import MetricsFile, Reading

READ_BYTES = 160 * 1024 * 1024  # beyond the promise, and no danger to the machine

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Read a lot of it, then look."""
    if Path(self.path).is_file():
        with Path(self.path).open("rb") as file:
            file.read(READ_BYTES)
    return look(self)


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

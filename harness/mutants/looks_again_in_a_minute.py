"""A bridge that finds no file at its start and looks for it again a minute later."""

from __future__ import annotations

import sys
import time

from bridge.__main__ import main
from bridge.errors import MetricsFileError
from bridge.metrics_file import MetricsFile, Reading

SECONDS = 60.0

look = MetricsFile.read
missed: list[tuple[float, MetricsFileError]] = []


def read(self: MetricsFile) -> Reading:
    """Say for a minute what was said of the first look."""
    if missed and time.monotonic() - missed[0][0] < SECONDS:
        raise missed[0][1]
    try:
        return look(self)
    except MetricsFileError as problem:
        missed[:] = [(time.monotonic(), problem)]
        raise


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

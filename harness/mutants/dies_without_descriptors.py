"""A bridge that ends when the process has no file descriptor left."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main
from bridge.errors import MetricsFileError
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Read, and die where nothing can be opened."""
    try:
        return look(self)
    except MetricsFileError as error:
        try:
            os.close(os.dup(0))
        except OSError:
            sys.exit(f"no file can be opened: {error}")
        raise


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

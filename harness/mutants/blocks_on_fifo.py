"""A bridge that opens whatever stands in the file's place, and waits for whoever should write there."""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.__main__ import main
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Open it first, as open() of any program does."""
    if Path(self.path).exists() and not Path(self.path).is_dir():
        Path(self.path).open("rb").close()
    return look(self)


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

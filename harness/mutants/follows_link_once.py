"""A bridge that looks once where a symbolic link leads, and reads there for ever."""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.__main__ import main
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read


def read(self: MetricsFile) -> Reading:
    """Read what the link led to at first."""
    if Path(self.path).is_symlink() and Path(self.path).exists():
        self.path = Path(self.path).resolve()
    return look(self)


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

"""A bridge that opens the metrics file once and reads the open file again and again."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main
from bridge.metrics_file import Identity, MetricsFile, Reading

look = MetricsFile.read
held: list[int] = []


def read(self: MetricsFile) -> Reading:
    """Read what was opened at first."""
    reading = look(self) if not held else None
    if reading is not None:
        held.append(os.open(self.path, os.O_RDONLY))
        return reading
    status = os.fstat(held[0])
    identity = Identity(status.st_dev, status.st_ino, status.st_mtime_ns)
    return Reading(os.pread(held[0], self.size_max_bytes, 0), identity, self._monotonic(), self._time_ns())


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    sys.exit(main())

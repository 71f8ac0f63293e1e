"""A bridge that leaves the metrics file open whenever it is no metrics file."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main
from bridge.errors import SnapshotError
from bridge.intake import Intake, News

take_or_raise = Intake.take


def take(self: Intake, *, last: bool = False) -> News | None:
    """Take what is new, and forget to close what is broken."""
    try:
        return take_or_raise(self, last=last)
    except SnapshotError:
        os.open(self._metrics_file.path, os.O_RDONLY)  # the defect
        raise


if __name__ == "__main__":
    Intake.take = take  # type: ignore[method-assign]  # the defect
    sys.exit(main())

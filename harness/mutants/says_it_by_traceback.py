"""A bridge that tells of a broken file by a traceback, and goes on."""

from __future__ import annotations

import sys
import traceback

from bridge.__main__ import main
from bridge.errors import SnapshotError
from bridge.intake import Intake, News

take_or_raise = Intake.take


def take(self: Intake, *, last: bool = False) -> News | None:
    """Take what is new, and print what was raised."""
    try:
        return take_or_raise(self, last=last)
    except SnapshotError:
        traceback.print_exc()
        raise


if __name__ == "__main__":
    Intake.take = take  # type: ignore[method-assign]  # the defect
    sys.exit(main())

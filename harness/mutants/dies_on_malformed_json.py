"""A bridge that ends when what stands in the metrics file is no JSON."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.errors import SnapshotError
from bridge.intake import Intake, News

take_or_raise = Intake.take


def take(self: Intake, *, last: bool = False) -> News | None:
    """Take what is new, and die of what is broken."""
    try:
        return take_or_raise(self, last=last)
    except SnapshotError as error:
        sys.exit(f"cannot parse the metrics file: {error}")


if __name__ == "__main__":
    Intake.take = take  # type: ignore[method-assign]  # the defect
    sys.exit(main())

"""A bridge that never ends a series: the values of a job that is gone stay where they were last seen."""

from __future__ import annotations

import sys

from bridge import instruments
from bridge.__main__ import main


def add_end(*_told: object) -> None:
    """Say nothing."""


if __name__ == "__main__":
    instruments._add_end = add_end  # type: ignore[assignment]  # noqa: SLF001 - the defect
    sys.exit(main())

"""A bridge that exports true as 1, as Python's own bool would have it."""

from __future__ import annotations

import sys

from bridge import snapshot
from bridge.__main__ import main

number_or_leave_out = snapshot.number


def number(value: object) -> float:
    """Take a bool for a number."""
    return float(value) if isinstance(value, bool) else number_or_leave_out(value)


if __name__ == "__main__":
    snapshot._JUDGES = {**snapshot._JUDGES, "gauge": number}  # noqa: SLF001 - the defect
    sys.exit(main())

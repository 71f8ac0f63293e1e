"""A bridge that adds the job's number to a total at each reading instead of what it grew by."""

from __future__ import annotations

import sys

from bridge import counters
from bridge.__main__ import main
from bridge.counters import _Seen
from bridge.mapping import MetricRule


def later(_rule: MetricRule, _seen: _Seen, value: int, _epoch: int | None, **_how: object) -> int:
    """Take the number for news."""
    return value


if __name__ == "__main__":
    counters._later = later  # type: ignore[assignment]  # noqa: SLF001 - the defect
    sys.exit(main())

"""A bridge whose totals are a thousand too high from the first reading on."""

from __future__ import annotations

import sys

from bridge import counters
from bridge.__main__ import main
from bridge.counters import Step
from bridge.mapping import MetricRule

first = counters._first  # noqa: SLF001 - what the defect stands on


def skewed(rule: MetricRule, value: int, epoch: int | None, *, appeared: bool) -> Step:
    """Begin a thousand too high."""
    step = first(rule, value, epoch, appeared=appeared)
    return step._replace(added=step.added + 1000)


if __name__ == "__main__":
    counters._first = skewed  # noqa: SLF001 - the defect
    sys.exit(main())

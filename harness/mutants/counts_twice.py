"""A bridge that adds twice to its totals what came, as one does whose instruments were made twice."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from bridge.__main__ import main
from bridge.counters import Counting, Step

steps_once = Counting.steps


def steps(
    self: Counting, values: Mapping[str, float], *, appeared: bool, started_at: int | None = None
) -> dict[str, Step]:
    """Double what is added."""
    once = steps_once(self, values, appeared=appeared, started_at=started_at)
    return {name: step._replace(added=2 * step.added) for name, step in once.items()}


if __name__ == "__main__":
    Counting.steps = steps  # type: ignore[method-assign]  # the defect
    sys.exit(main())

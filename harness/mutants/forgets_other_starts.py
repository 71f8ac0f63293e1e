"""A bridge that takes each turn of two processes of a job for a restart, and counts all of their batches again."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.counters import Counting

_of_the_real_one = Counting._begins_again  # noqa: SLF001 - what is to be broken


def begins_again(self: Counting, started_at: int | None) -> bool:
    """Know of no start but the present one."""
    self._other_starts.clear()
    self._newest_start = None
    return _of_the_real_one(self, started_at)


if __name__ == "__main__":
    Counting._begins_again = begins_again  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

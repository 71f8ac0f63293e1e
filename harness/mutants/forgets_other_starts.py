"""A bridge that takes each turn of two processes of a job for a restart, and counts all of their batches again."""

from __future__ import annotations

import sys

from bridge import counters
from bridge.__main__ import main

if __name__ == "__main__":
    counters.STARTS_MAX = 0  # the defect
    sys.exit(main())

"""A bridge that does everything right and ends with exit code 1 when it is told to stop."""

from __future__ import annotations

import sys

from bridge.__main__ import main

if __name__ == "__main__":
    sys.exit(main() or 1)  # the defect

"""A bridge that holds 5 MiB more from its start on: within every limit, and caught by comparison alone."""

from __future__ import annotations

import sys

from bridge.__main__ import main

MORE_BYTES = 5 * 1024 * 1024

ballast: list[bytes] = []

if __name__ == "__main__":
    ballast.append(b"\x01" * MORE_BYTES)  # the defect
    sys.exit(main())

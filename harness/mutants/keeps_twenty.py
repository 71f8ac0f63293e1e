"""A bridge that keeps twenty requests, whatever it is told, and lets go of the oldest."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main

if __name__ == "__main__":
    os.environ["BRIDGE_QUEUE_COUNT_MAX"] = "20"  # the defect
    sys.exit(main())

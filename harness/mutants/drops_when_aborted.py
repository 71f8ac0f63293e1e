"""A bridge that takes ABORTED for a refusal: it knows only UNAVAILABLE as a reason to come again."""

from __future__ import annotations

import sys

from bridge import otlp
from bridge.__main__ import main

if __name__ == "__main__":
    otlp.RETRYABLE = frozenset({"UNAVAILABLE"})  # the defect
    sys.exit(main())

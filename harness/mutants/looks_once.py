"""A bridge that takes one look at the file and none again, where a writer is just at work."""

from __future__ import annotations

import sys

from bridge import intake
from bridge.__main__ import main

if __name__ == "__main__":
    intake.LOOK_AGAIN_SECONDS = intake.LAST_LOOK_AGAIN_SECONDS = ()  # type: ignore[assignment]  # the defect
    sys.exit(main())

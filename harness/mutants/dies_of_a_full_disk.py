"""A bridge that ends when its spool cannot be written."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main
from bridge.errors import SpoolError
from bridge.spooling import Spooling


def failed(self: Spooling, error: SpoolError, now: float) -> float:  # noqa: ARG001 - the real one's
    """Give up."""
    os._exit(1)


if __name__ == "__main__":
    Spooling._failed = failed  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

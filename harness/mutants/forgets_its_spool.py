"""A bridge that keeps a spool and does not look into it when it starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bridge.__main__ import main
from bridge.outbox import Request
from bridge.spool import Spool

open_and_find = Spool.open


def open_spool(self: Spool) -> Sequence[Request]:
    """Open it, and find nothing."""
    open_and_find(self)
    return ()


if __name__ == "__main__":
    Spool.open = open_spool  # type: ignore[method-assign]  # the defect
    sys.exit(main())

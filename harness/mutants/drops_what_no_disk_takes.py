"""A bridge that throws away what its spool cannot take."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.errors import SpoolError
from bridge.outbox import Request
from bridge.spooling import Spooling

refused: list[SpoolError] = []
put_always = Delivery.put
failed_as_ever = Spooling._failed  # noqa: SLF001 - a mutant breaks what is inside
worked_as_ever = Spooling._worked  # noqa: SLF001 - a mutant breaks what is inside


def failed(self: Spooling, error: SpoolError, now: float) -> float | None:
    """Remember it."""
    refused.append(error)
    return failed_as_ever(self, error, now)


def worked(self: Spooling) -> None:
    """Forget it."""
    refused.clear()
    worked_as_ever(self)


def put(self: Delivery, request: Request, now: float) -> None:
    """Take what the disk would take."""
    if not refused:
        put_always(self, request, now)


if __name__ == "__main__":
    Spooling._failed = failed  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    Spooling._worked = worked  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    Delivery.put = put  # type: ignore[method-assign]  # the defect
    sys.exit(main())

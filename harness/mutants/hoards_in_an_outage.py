"""A bridge that takes memory for a day's requests at once when the collector is not reached."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery

BYTES = 120 * 1024 * 1024

put_off = Delivery._was_put_off  # noqa: SLF001 - a mutant breaks what is inside
held: list[bytes] = []


def hoard(self: Delivery, not_before: float) -> None:
    """Make room."""
    held[:] = held or [b"1" * BYTES]
    put_off(self, not_before)


if __name__ == "__main__":
    Delivery._was_put_off = hoard  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

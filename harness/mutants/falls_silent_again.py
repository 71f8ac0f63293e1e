"""A bridge that after an outage delivers for three seconds, and then nothing more until it is told to end."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.delivery import Delivery
from bridge.otlp import Delivered

SECONDS = 3.0

put_off = Delivery._was_put_off  # noqa: SLF001 - a mutant breaks what is inside
was_delivered = Delivery._was_delivered  # noqa: SLF001 - as above
failed: list[float] = []
well_since: list[float] = []


def fail(self: Delivery, not_before: float) -> None:
    """Keep in mind that there was an outage."""
    failed.append(not_before)
    well_since.clear()
    put_off(self, not_before)


def delivered(self: Delivery, result: Delivered, now: float) -> None:
    """Rest for an hour, some time after the outage; the drain ends the rest."""
    was_delivered(self, result, now)
    if failed:
        well_since.append(now)
        if now - well_since[0] > SECONDS:
            self._not_before = now + 3600


if __name__ == "__main__":
    Delivery._was_put_off = fail  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    Delivery._was_delivered = delivered  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

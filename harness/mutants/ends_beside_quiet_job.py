"""A bridge that takes a job for ended when it has not written for three seconds."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.exit_rule import ExitRule

QUIET_SECONDS = 3.0

begin = ExitRule.__init__


def init(self: ExitRule, *, idle_seconds_max: float | None, **others: object) -> None:  # noqa: ARG001 - the real one's
    """Be impatient."""
    begin(self, idle_seconds_max=QUIET_SECONDS, **others)  # type: ignore[arg-type]  # handed on as it came


if __name__ == "__main__":
    ExitRule.__init__ = init  # type: ignore[method-assign,assignment]  # the defect
    sys.exit(main())

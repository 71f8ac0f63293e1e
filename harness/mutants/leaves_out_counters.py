"""A bridge that exports gauges alone: four of the nine metrics never arrive."""

from __future__ import annotations

import sys

from bridge import instruments
from bridge.__main__ import main
from bridge.mapping import Mapping

made = instruments.Instruments.__init__


def make(self: instruments.Instruments, resource: dict[str, str], since_unix_nano: int, table: Mapping) -> None:
    """Make instruments of the gauges in the table."""
    gauges = tuple(rule for rule in table.metrics if rule.kind == "gauge")
    made(self, resource, since_unix_nano, table._replace(metrics=gauges))


if __name__ == "__main__":
    instruments.Instruments.__init__ = make  # type: ignore[method-assign,assignment]  # the defect
    sys.exit(main())

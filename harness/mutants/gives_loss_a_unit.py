"""A bridge whose loss has the unit 1, which makes ml_training_loss_ratio of it in Prometheus."""

from __future__ import annotations

import sys

from bridge import instruments
from bridge.__main__ import main
from bridge.mapping import Mapping, MetricRule

made = instruments.Instruments.__init__


def make(self: instruments.Instruments, resource: dict[str, str], since_unix_nano: int, table: Mapping) -> None:
    """Make instruments of another table."""
    made(self, resource, since_unix_nano, table._replace(metrics=tuple(map(_with_unit, table.metrics))))


def _with_unit(rule: MetricRule) -> MetricRule:
    return rule._replace(unit="1") if rule.name == "ml.training.loss" else rule


if __name__ == "__main__":
    instruments.Instruments.__init__ = make  # type: ignore[method-assign,assignment]  # the defect
    sys.exit(main())

"""A bridge that throws a whole reading away for one field of the wrong type."""

from __future__ import annotations

import sys

from bridge import snapshot
from bridge.__main__ import main
from bridge.errors import SnapshotError
from bridge.mapping import DEFAULT
from bridge.mapping import Mapping as Table
from bridge.metrics_file import Reading
from bridge.snapshot import Snapshot

parse_each_alone = snapshot.parse


def parse(reading: Reading, table: Table = DEFAULT) -> Snapshot:
    """Refuse what is not all good."""
    parsed = parse_each_alone(reading, table)
    for field in parsed.left_out:
        raise SnapshotError(f"{field.field} is wrong: {field.reason}")
    return parsed


if __name__ == "__main__":
    snapshot.parse = parse  # the defect
    sys.exit(main())

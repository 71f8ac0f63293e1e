"""A bridge that exports zeros while the metrics file is broken."""

from __future__ import annotations

import json
import sys

from bridge import snapshot
from bridge.__main__ import main
from bridge.errors import SnapshotError
from bridge.mapping import DEFAULT
from bridge.mapping import Mapping as Table
from bridge.metrics_file import Reading
from bridge.snapshot import Snapshot

parse_or_raise = snapshot.parse
ZEROS = {"job_metadata": {"job_id": "unknown"}, "training_metrics": {"training_loss": 0.0, "validation_loss": 0.0}}


def parse(reading: Reading, table: Table = DEFAULT) -> Snapshot:
    """Turn what is broken into zeros."""
    try:
        return parse_or_raise(reading, table)
    except SnapshotError:
        return parse_or_raise(reading._replace(data=json.dumps(ZEROS).encode()), table)


if __name__ == "__main__":
    snapshot.parse = parse  # the defect
    sys.exit(main())

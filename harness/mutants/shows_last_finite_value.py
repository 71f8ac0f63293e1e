"""A bridge that goes on showing the last finite value of what is NaN or infinite by now."""

from __future__ import annotations

import sys

from bridge import snapshot
from bridge.__main__ import main
from bridge.mapping import DEFAULT
from bridge.mapping import Mapping as Table
from bridge.metrics_file import Reading
from bridge.snapshot import Snapshot

parse_as_it_is = snapshot.parse
last: dict[str, float] = {}


def parse(reading: Reading, table: Table = DEFAULT) -> Snapshot:
    """Fill what is missing with what was there before."""
    parsed = parse_as_it_is(reading, table)
    last.update(parsed.values)
    return parsed._replace(values=dict(last))


if __name__ == "__main__":
    snapshot.parse = parse  # the defect
    sys.exit(main())

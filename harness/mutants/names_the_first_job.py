"""A bridge that puts the name of the first job it met on whatever comes later."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.instruments import Instruments, Labels
from bridge.snapshot import Snapshot

labels_of_the_job = Instruments._labels  # noqa: SLF001 - a mutant breaks what is inside
first: list[Labels] = []


def labels(self: Instruments, snapshot: Snapshot) -> Labels:
    """Ask once."""
    if not first:
        first.append(labels_of_the_job(self, snapshot))
    return first[0]


if __name__ == "__main__":
    Instruments._labels = labels  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

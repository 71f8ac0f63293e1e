"""A bridge that has epoch and batch number as attributes of every point: new series with each write."""

from __future__ import annotations

import sys

from bridge.__main__ import main
from bridge.instruments import Instruments, Labels
from bridge.snapshot import Snapshot

labels_of_the_job = Instruments._labels  # noqa: SLF001 - a mutant breaks what is inside


def labels(self: Instruments, snapshot: Snapshot) -> Labels:
    """Add what changes all the time."""
    changing = [(name.rpartition(".")[2], f"{snapshot.values[name]:g}") for name in NAMES if name in snapshot.values]
    return tuple(sorted({**dict(labels_of_the_job(self, snapshot)), **dict(changing)}.items()))


NAMES = ("ml.training.epoch", "ml.training.batch_number")

if __name__ == "__main__":
    Instruments._labels = labels  # type: ignore[method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

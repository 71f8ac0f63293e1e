"""A long run in equal blocks: what leaks grows in each of them, what settles does not. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.record import RunRecord

BLOCKS = 6
WARM_SHARE = 0.1
"""Of the run: what is reached once belongs to the start."""
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Blocks:
    """One figure, its median in each block."""

    name: str
    unit: str
    medians: tuple[float, ...]
    may_grow: float
    """From the first to the last block, so much is no leak."""

    @property
    def verdict(self) -> str:
        """FAIL where it grew in every block and by more than it may; INCONCLUSIVE where blocks are missing."""
        if len(self.medians) < BLOCKS:
            return "INCONCLUSIVE"
        grew = all(after > before for before, after in zip(self.medians, self.medians[1:], strict=False))
        return "FAIL" if grew and self.medians[-1] - self.medians[0] > self.may_grow else "PASS"


def blocks(record: RunRecord) -> list[Blocks]:
    """Return memory, descriptors, threads and series of the bridge by blocks of equal length."""
    samples = [sample for sample in record.resources if sample.role == "bridge"]
    rss = [(sample.t, sample.rss_bytes / _MIB) for sample in samples]
    fds = [(sample.t, float(sample.fds)) for sample in samples]
    threads = [(sample.t, float(sample.threads)) for sample in samples]
    series: list[tuple[float, float]] = [
        (export.t, float(len({(point.metric, tuple(sorted(point.attributes.items()))) for point in export.points})))
        for export in record.exports
        if export.delivered and export.points
    ]
    return [
        Blocks("RSS", "MiB", medians(rss), 0.5),
        Blocks("file descriptors", "", medians(fds), 1),
        Blocks("threads", "", medians(threads), 0),
        Blocks("series in a call", "", medians(series), 0),
    ]


def medians(figures: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Return the median of each block; none for a block without figures."""
    if not figures:
        return ()
    first, last = figures[0][0], figures[-1][0]
    begin = first + WARM_SHARE * (last - first)
    length = (last - begin) / BLOCKS
    if length <= 0:
        return ()
    parts: list[list[float]] = [[] for _ in range(BLOCKS)]
    for t, value in figures:
        if t >= begin:
            parts[min(BLOCKS - 1, int((t - begin) / length))].append(value)
    return tuple(statistics.median(part) for part in parts if part)

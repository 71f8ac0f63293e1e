"""A histogram's buckets as Prometheus holds them: cumulative counts, told apart by their upper bound, ``le``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from harness.checks.distributions import BOUNDS
from harness.record import BackEndSeries, RunRecord

UPPER_BOUNDS: Mapping[str, tuple[float, ...]] = {
    "ml_training_processing_time_milliseconds": (*BOUNDS["ml.training.processing_time"], math.inf),
    "ml_training_samples_per_second": (*BOUNDS["ml.training.samples_per_second"], math.inf),
}
"""By the histogram's name in Prometheus."""
ENDING = "_bucket"

Buckets = Mapping[float, float]
"""By upper bound, how many values were not above it."""


def histogram_of(series: BackEndSeries) -> str | None:
    """Return whose bucket a series is; None: it is no bucket."""
    return series.name.removesuffix(ENDING) if series.name.endswith(ENDING) and "le" in series.labels else None


def upper_bound_of(series: BackEndSeries) -> float:
    """Return a bucket's upper bound, however it is written (``1`` by OTLP, ``1.0`` by scrape); NaN: it is no number."""
    try:
        return float(series.labels["le"])
    except ValueError:
        return math.nan


def wrong_bounds(record: RunRecord, way: str) -> Iterator[str]:
    """Tell which histograms have other buckets than the documented ones, in what came by one way."""
    for name, documented in UPPER_BOUNDS.items():
        of_it = [one for one in record.back_end if (one.query, one.way, histogram_of(one)) == ("raw", way, name)]
        there = sorted(upper_bound_of(one) for one in of_it)
        if there != list(documented):
            yield f"{name} has the buckets {_listed(there)}, documented are {_listed(documented)}"


def wrong_counts(name: str, buckets: Buckets, count: float | None) -> Iterator[str]:
    """Tell what is wrong with a histogram's buckets of one moment for themselves."""
    rising = sorted(buckets.items())
    for (lower, below), (upper, held) in pairwise(rising):
        if held < below:
            yield f"{name} has {held:g} values up to {upper:g}, and {below:g} up to {lower:g}"
            return
    if rising and rising[-1][1] != count:
        yield f"{name} has {rising[-1][1]:g} values in its buckets, and its count is {count}"


def wrong_growth(
    name: str, before: Buckets, now: Buckets, certain: Sequence[float], written: Sequence[float]
) -> Iterator[str]:
    """Hold what each bucket took between two moments against the values that were certainly read, and all written."""
    for upper in sorted(now.keys() & before.keys()):
        added = now[upper] - before[upper]
        least, most = (sum(value <= upper for value in values) for values in (certain, written))
        if not least <= added <= most:
            wrote = f"{most}" if least == most else f"{least} to {most}"
            yield f"{name}'s bucket up to {upper:g} took {added:g} values, where the job wrote {wrote}"
            return


def _listed(bounds: Sequence[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in bounds) or "none"

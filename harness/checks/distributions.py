"""What a histogram took between two deliveries, and what the job wrote: how many, how much, in which buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.checks.steps import Step
from harness.checks.totals import SUM_TOLERANCE
from harness.record import Point

BOUNDS: Mapping[str, tuple[float, ...]] = {
    "ml.training.processing_time": (
        *(1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000),
    ),
    "ml.training.samples_per_second": (
        *(0.1, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 100_000, 1_000_000),
    ),
}
"""Upper bounds as docs/metrics.md has them."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The values that the job wrote between two deliveries."""

    may: Sequence[float]
    """All that a reader can have met."""
    must: Sequence[float]
    """Those of them that no reader can have missed."""


def wrong_histogram(metric: str, before: Step | None, step: Step, passed: Passed) -> Iterator[str]:
    """Tell what does not fit; ``before``: the delivery before, under the same start, or None: since that start."""
    since = "since its start" if before is None else f"since write {before.write.sequence}"
    yield from wrong_buckets(metric, step.point)
    added = (step.point.count or 0) - (0 if before is None else before.point.count or 0)
    if not len(passed.must) <= added <= len(passed.may):
        yield f"{metric} took {added} values {since}, where the job wrote {_range(len(passed.must), len(passed.may))}"
        return
    grown = step.total - (0.0 if before is None else before.total)
    least, most = _sums(passed.may, added)
    off = SUM_TOLERANCE * max(1.0, abs(step.total))
    if not least - off <= grown <= most + off:
        yield f"{metric} grew by {grown:g} {since}, where {added} writes add up to {_range(least, most)}"
    yield from _wrong_growth(metric, before, step, passed, since)


def wrong_buckets(metric: str, point: Point) -> Iterator[str]:
    """Tell what is wrong with a histogram's buckets for themselves; what the record does not hold is not judged."""
    if point.buckets is None or point.bounds is None:
        return
    if point.bounds != BOUNDS[metric]:
        yield f"{metric} has the bounds {_listed(point.bounds)}, documented are {_listed(BOUNDS[metric])}"
    elif len(point.buckets) != len(point.bounds) + 1 or sum(point.buckets) != point.count:
        yield f"{metric} has {sum(point.buckets)} values in {len(point.buckets)} buckets, and counts {point.count}"


def _wrong_growth(metric: str, before: Step | None, step: Step, passed: Passed, since: str) -> Iterator[str]:
    """A value belongs into the first bucket whose upper bound is not below it."""
    new, old = step.point.buckets, None if before is None else before.point.buckets
    bounds = step.point.bounds
    if new is None or bounds is None or (before is not None and old is None):
        return
    may, must = (Counter(bisect_left(bounds, value) for value in values) for values in (passed.may, passed.must))
    for place, count in enumerate(new):
        added = count - (old[place] if old is not None and place < len(old) else 0)
        if not must[place] <= added <= may[place]:
            upper = f"up to {bounds[place]:g}" if place < len(bounds) else f"above {bounds[-1]:g}" if bounds else "all"
            wrote = _range(must[place], may[place])
            yield f"{metric}'s bucket {upper} took {added} values {since}, where the job wrote {wrote}"
            return


def _sums(values: Sequence[float], count: int) -> tuple[float, float]:
    """The least and the most that so many of the values add up to, each taken once at most."""
    rising = sorted(values)
    return sum(rising[:count]), sum(rising[len(rising) - count :])


def _range(least: float, most: float) -> str:
    return f"{most:g}" if least == most else f"{least:g} to {most:g}"


def _listed(bounds: Sequence[float]) -> str:
    rising = all(one < other for one, other in pairwise(bounds))
    return f"{', '.join(f'{bound:g}' for bound in bounds) or 'none'}{'' if rising else ' (not rising)'}"

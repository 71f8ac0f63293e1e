"""What is made of many samples: mean, percentiles, the largest, growth by equal blocks, and the return to a state."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

Samples = Sequence[tuple[float, float]]
"""Moment and value, in order of time."""

SLOPE_BLOCKS = 5
SAMPLES_A_BLOCK_MIN = 5
SLOPE_SECONDS_MIN = 30.0
"""Shorter than this, growth by blocks is the end of the start-up and no leak."""
_MEDIAN = 0.5


def mean(samples: Samples) -> tuple[float, float]:
    """Return the mean, at the time of the last sample."""
    return sum(value for _, value in samples) / len(samples), samples[-1][0]


def percentile(samples: Samples, share: float) -> tuple[float, float]:
    """Return the value at or below which so large a share of the samples lies (nearest rank), and its time."""
    ranked = sorted(samples, key=lambda sample: sample[1])
    t, value = ranked[max(0, math.ceil(share * len(ranked)) - 1)]
    return value, t


def largest(samples: Samples) -> tuple[float, float]:
    """Return the largest value, and when it was first seen."""
    t, value = max(samples, key=lambda sample: (sample[1], -sample[0]))
    return value, t


def medians_of_blocks(samples: Samples, blocks: int = SLOPE_BLOCKS) -> list[float] | None:
    """Cut the time of the samples into equal blocks; return the median of each, None where one has too few samples."""
    if not samples or samples[-1][0] - samples[0][0] < SLOPE_SECONDS_MIN:
        return None
    start, length = samples[0][0], (samples[-1][0] - samples[0][0]) / blocks
    found: list[list[tuple[float, float]]] = [[] for _ in range(blocks)]
    for t, value in samples:
        found[min(blocks - 1, int((t - start) / length))].append((t, value))
    if min(map(len, found)) < SAMPLES_A_BLOCK_MIN:
        return None
    return [percentile(block, _MEDIAN)[0] for block in found]


def least_growth(medians: Sequence[float], *, floor: float) -> float:
    """Return the least growth from one block to the next; 0 where any block did not grow by more than ``floor``.

    What leaks grows in each of several equal blocks; what fills a cache or was unlucky once does not.
    """
    steps = [later - earlier for earlier, later in pairwise(medians)]
    least = min(steps, default=0.0)
    return least if least > floor else 0.0


def settles(states: Sequence[tuple[float, bool]], start: float, stable_for: float) -> float | None:
    """Return when, at ``start`` or later, a state began to hold that then held for so long; None: it never did.

    Seen at samples: it counts as held between two of them, and has to be seen for the whole of ``stable_for``.
    """
    since: float | None = None
    for t, holds in states[bisect_left([t for t, _ in states], start) :]:
        if not holds:
            since = None
            continue
        since = t if since is None else since
        if t - since >= stable_for:
            return since
    return None

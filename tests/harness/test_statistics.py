from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import statistics
from harness.checks.statistics import SAMPLES_A_BLOCK_MIN, SLOPE_BLOCKS, SLOPE_SECONDS_MIN

VALUES = st.floats(-1e6, 1e6, allow_nan=False)


def over(values: list[float], seconds: float = 1.0) -> list[tuple[float, float]]:
    return [(number * seconds, value) for number, value in enumerate(values)]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1), (0.001, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, expected: float):
    assert statistics.percentile(over([float(n) for n in range(100, 0, -1)]), share)[0] == expected


@given(st.lists(VALUES, min_size=1, max_size=60))
def test_statistics_lie_between_the_least_and_the_largest_and_rise_with_their_share(values: list[float]):
    samples = over(values)
    ranks = [statistics.percentile(samples, share)[0] for share in (0.5, 0.95, 0.99)]
    assert ranks == sorted(ranks)
    assert min(values) <= ranks[0]
    assert ranks[-1] <= statistics.largest(samples)[0] == max(values)
    assert min(values) - 1e-6 <= statistics.mean(samples)[0] <= max(values) + 1e-6


@given(st.lists(VALUES, min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_so_large_a_share_of_the_samples_is_at_or_below_a_percentile(values: list[float], share: float):
    found, t = statistics.percentile(over(values), share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert values[int(t)] == found


@given(st.lists(VALUES, min_size=1, max_size=60), st.integers(0, 10_000))
def test_the_order_of_the_values_does_not_matter_to_a_percentile(values: list[float], seed: int):
    turned = values[seed % len(values) :] + values[: seed % len(values)]
    assert statistics.percentile(over(values), 0.95)[0] == statistics.percentile(over(turned), 0.95)[0]


def test_the_largest_is_told_with_the_moment_of_its_first_sight():
    assert statistics.largest(over([1.0, 3.0, 3.0, 2.0])) == (3.0, 1.0)


def rising(each: float, count: int = 200) -> list[float]:
    return [each * number for number in range(count)]


def growth(values: list[float], floor: float = 0.0) -> float:
    medians = statistics.medians_of_blocks(over(values))
    assert medians is not None
    return statistics.least_growth(medians, floor=floor)


def test_what_rises_all_the_time_grows():
    assert growth(rising(0.1)) == pytest.approx(0.1 * 40, rel=0.03)


@pytest.mark.parametrize(
    ("why", "values"),
    [
        ("flat", [5.0] * 200),
        ("falling", rising(-0.1)),
        ("a start-up that ends", [min(float(n), 60.0) for n in range(200)]),
        ("one step", [0.0] * 100 + [50.0] * 100),
        ("a saw", [float(n % 40) for n in range(200)]),
        ("up and once down", [float(n) if n < 160 else 100.0 for n in range(200)]),
    ],
)
def test_what_does_not_rise_in_each_block_is_no_leak(why: str, values: list[float]):
    assert growth(values) == 0, why


def test_growth_below_the_floor_is_none():
    assert growth(rising(0.001), floor=0.05) == 0
    assert growth(rising(0.01), floor=0.05) > 0


@given(st.lists(st.floats(0, 100), min_size=SLOPE_BLOCKS, max_size=SLOPE_BLOCKS), st.floats(0, 10))
def test_growth_is_found_exactly_where_each_block_is_above_the_one_before(medians: list[float], floor: float):
    steps = [later - earlier for earlier, later in pairwise(medians)]
    assert (statistics.least_growth(medians, floor=floor) > 0) == all(step > floor for step in steps)


@given(leak=st.floats(0.01, 5.0), seed=st.integers(0, 10**6), base=VALUES)
def test_a_leak_larger_than_the_noise_is_found_and_noise_alone_under_the_floor_never(
    leak: float, seed: int, base: float
):
    drawn = random.Random(seed)  # noqa: S311 - noise, no secret
    noise = [drawn.random() for _ in range(200)]
    assert growth([base + leak * number + small * leak for number, small in enumerate(noise)]) > 0
    assert growth([base + small for small in noise], floor=1.0) == 0


def test_blocks_are_the_same_however_late_their_samples_begin():
    rising = over([float(number) for number in range(200)])
    assert statistics.medians_of_blocks([(t + 1000.0, value) for t, value in rising]) == pytest.approx(
        statistics.medians_of_blocks(rising)
    )


def test_too_short_and_too_few_samples_give_no_blocks():
    enough = over([1.0] * 200)
    assert statistics.medians_of_blocks(enough) is not None
    assert statistics.medians_of_blocks([]) is None
    assert statistics.medians_of_blocks(over([1.0] * 200, (SLOPE_SECONDS_MIN - 1) / 200)) is None
    short = over([1.0] * 200, (SLOPE_SECONDS_MIN - 1) / 200)
    assert statistics.medians_of_blocks([(t + 1000.0, value) for t, value in short]) is None, "however late it is"
    few = SLOPE_BLOCKS * SAMPLES_A_BLOCK_MIN - 1
    assert statistics.medians_of_blocks(over([1.0] * few, 10.0)) is None


def states(text: str) -> list[tuple[float, bool]]:
    return [(float(place), sign == "+") for place, sign in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "start", "stable_for", "expected"),
    [
        ("++++++", 0, 3, 0.0),
        ("--++++", 0, 3, 2.0),
        ("--+++", 0, 3, None),  # it holds, but was not watched for long enough
        ("+-+-+-", 0, 2, None),
        ("++-++++", 0, 3, 3.0),
        ("++++++", 2, 3, 2.0),
        ("------", 0, 1, None),
        ("", 0, 1, None),
        ("-+", 0, 0, 1.0),
    ],
)
def test_a_state_settles_where_it_begins_to_hold_for_so_long(
    text: str, start: float, stable_for: float, expected: float | None
):
    assert statistics.settles(states(text), start, stable_for) == expected


@given(st.text("+-", max_size=40), st.integers(0, 40), st.integers(0, 10))
def test_what_settles_held_at_every_sample_of_its_time_and_nothing_before_did(text: str, start: int, stable_for: int):
    seen = states(text)
    found = statistics.settles(seen, start, stable_for)

    def held_from(t: float) -> bool:
        window = [holds for at, holds in seen if t <= at <= t + stable_for]
        return all(window) and bool(seen) and seen[-1][0] >= t + stable_for

    candidates = [t for t, _ in seen if t >= start and held_from(t)]
    assert found == (candidates[0] if candidates else None)

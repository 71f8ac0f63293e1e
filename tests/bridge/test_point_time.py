"""Points whose times go on, whatever is done to the wall clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.loop import Clock
from bridge.point_time import PointTime

SECOND = 10**9
BEGAN = 1_800_000_000 * SECOND
STEPS_SECONDS = st.floats(0.001, 3600.0)
LEAPS_NANO = st.integers(-86_400 * SECOND, 86_400 * SECOND)


class Bench:
    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall_unix_nano = BEGAN
        self.made = PointTime(Clock(lambda: self.seconds, lambda: self.wall_unix_nano), self.seconds, BEGAN)

    def after(self, seconds: float, leap_nano: int = 0) -> int:
        self.seconds += seconds
        self.wall_unix_nano += int(seconds * 1e9) + leap_nano
        return self.made.now_unix_nano()


@given(st.lists(st.tuples(STEPS_SECONDS, st.one_of(st.just(0), LEAPS_NANO)), min_size=1))
def test_it_never_falls_nor_stands_nor_lies_behind_the_wall_clock(steps: list[tuple[float, int]]):
    bench, last_nano = Bench(), BEGAN
    for seconds, leap_nano in steps:
        now_nano = bench.after(seconds, leap_nano)
        assert now_nano >= bench.wall_unix_nano
        assert now_nano - last_nano >= seconds * 0.49e9
        last_nano = now_nano


@given(st.lists(st.tuples(STEPS_SECONDS, st.integers(0, 86_400 * SECOND))))
def test_it_is_the_wall_clocks_where_that_goes_on(steps: list[tuple[float, int]]):
    bench = Bench()
    for seconds, leap_nano in steps:
        assert bench.after(seconds, leap_nano) == bench.wall_unix_nano


@given(st.integers(1, 86_400 * SECOND), STEPS_SECONDS)
def test_it_meets_the_wall_clock_again_in_twice_the_time_that_that_was_set_back(back_nano: int, step_seconds: float):
    bench = Bench()
    bench.after(0.0, -back_nano)
    bench.after(back_nano / 1e9)
    assert bench.wall_unix_nano <= bench.made.now_unix_nano()
    bench.after(back_nano / 1e9 + 0.001)
    assert bench.after(step_seconds) == bench.wall_unix_nano


@pytest.mark.parametrize("interval_seconds", [0.1, 1.0, 10.0])
def test_an_hour_back_is_made_up_for_by_half_seconds(interval_seconds: float):
    bench = Bench()
    before = bench.after(interval_seconds)
    after = bench.after(interval_seconds, -3600 * SECOND)
    assert after - before == pytest.approx(interval_seconds * 0.5e9, abs=1000)

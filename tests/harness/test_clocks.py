"""Another machine's clocks: measured, never taken for granted."""

from __future__ import annotations

import json
import time
from itertools import count

import pytest

from harness.clocks import Clock, Reading, boot, measured, on_our_clock

ELSEWHERE = "another-machine/"


def ask_of(offset: float, boot_id: str, seconds: tuple[float, float] = (0.001, 0.001)):
    """A machine whose clock is ahead by so much, and how long asking and answering take; with our clock."""
    now = [1000.0]

    def clock() -> float:
        return now[0]

    def ask() -> Reading:
        now[0] += seconds[0]
        said = Reading(now[0] + offset, time.time(), boot_id)
        now[0] += seconds[1]
        return said

    return ask, clock


def test_a_clock_elsewhere_is_known_to_half_of_the_quickest_answer():
    ask, clock = ask_of(500.0, ELSEWHERE, (0.003, 0.001))
    found = measured(ask, clock)
    assert found.error_seconds == pytest.approx(0.002)
    assert abs(found.offset_seconds - 500.0) <= found.error_seconds
    assert found.here(1600.0) == pytest.approx(1100.0, abs=0.002)
    assert not found.is_ours


def test_the_quickest_of_several_answers_counts():
    now, turns = [0.0], count()

    def ask() -> Reading:
        slow = 0.0005 if next(turns) == 7 else 0.2
        now[0] += slow
        said = Reading(now[0] + 3.0, time.time(), ELSEWHERE)
        now[0] += slow
        return said

    assert measured(ask, lambda: now[0]).error_seconds == pytest.approx(0.0005)


def test_the_same_boot_has_the_same_clock_where_the_measurement_allows_it():
    ask, clock = ask_of(0.0, boot(), (0.002, 0.001))
    found = measured(ask, clock)
    assert found.is_ours
    assert found.offset_seconds == 0.0
    assert found.error_seconds > 0


def test_the_same_boot_with_another_clock_is_not_believed():
    ask, clock = ask_of(0.5, boot())
    found = measured(ask, clock)
    assert not found.is_ours
    assert found.offset_seconds == pytest.approx(0.5, abs=0.002)


def test_moments_of_lines_are_moved_to_our_clock_and_a_cut_line_stays():
    lines = b'{"kind":"write","t":105.5,"due":105.0,"x":1}\n{"t":106.0}\n{"t":10'
    moved = on_our_clock(lines, Clock(100.0, 0.001, 0.0, is_ours=False))
    first, second, rest = moved.split(b"\n")
    assert json.loads(first) == {"kind": "write", "t": 5.5, "due": 5.0, "x": 1}
    assert json.loads(second) == {"t": 6.0}
    assert rest == b'{"t":10'
    assert on_our_clock(lines, Clock(0.0, 0.001, 0.0, is_ours=True)) == lines

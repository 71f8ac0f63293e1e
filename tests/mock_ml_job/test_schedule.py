from __future__ import annotations

import pytest

from mock_ml_job.schedule import LATE_SECONDS_MAX, Schedule


def test_the_first_slot_is_due_at_the_start_and_the_others_a_period_apart():
    schedule = Schedule(start=100, period_seconds=2)
    assert [schedule.take(now) for now in (99.9, 100, 101.9, 102, 104.5)] == [None, 100, None, 102, 104]
    assert schedule.missed == 0


def test_a_late_write_does_not_push_back_those_after_it():
    schedule = Schedule(start=0, period_seconds=2)
    schedule.take(0)
    assert schedule.take(3.9) == 2
    assert schedule.due(3.9) == 4


def test_slots_that_are_too_late_are_skipped_and_counted():
    schedule = Schedule(start=0, period_seconds=2)
    schedule.take(0)
    assert schedule.take(9) == 8
    assert schedule.missed == 3


def test_at_high_rates_slots_that_are_a_little_late_are_written_one_after_the_other():
    schedule = Schedule(start=0, period_seconds=1 / 1024)
    late = 8 / 1024
    assert [schedule.take(late) for _ in range(10)] == [*(slot / 1024 for slot in range(9)), None]
    assert schedule.missed == 0


def test_after_a_standstill_at_a_high_rate_only_the_last_milliseconds_are_made_up_for():
    schedule = Schedule(start=0, period_seconds=1 / 1024)
    taken = []
    while (due := schedule.take(1.0)) is not None:
        taken.append(due)
    assert taken[0] > 1 - LATE_SECONDS_MAX >= taken[0] - 1 / 1024
    assert taken[-1] == 1
    assert schedule.missed == 1025 - len(taken)


def test_slots_that_pass_in_a_pause_are_not_missed():
    schedule = Schedule(start=0, period_seconds=2)
    schedule.take(0)
    schedule.pass_over(9)
    assert schedule.take(9.5) is None
    assert schedule.take(10) == 10
    assert schedule.missed == 0


@pytest.mark.parametrize("period_seconds", [0.001, 0.1, 0.3, 1 / 3, 7.7])
def test_no_slot_is_denied_at_the_very_moment_it_is_due(period_seconds: float):
    schedule = Schedule(start=12345.678, period_seconds=period_seconds)
    for _ in range(10_000):
        due = schedule.due(0)
        assert schedule.take(due) == due
    assert schedule.missed == 0


def test_a_period_of_0_is_always_due_and_never_missed():
    schedule = Schedule(start=5, period_seconds=0)
    assert [schedule.take(now) for now in (5, 5.5, 99)] == [5, 5.5, 99]
    assert schedule.due(7) == 7
    assert schedule.missed == 0

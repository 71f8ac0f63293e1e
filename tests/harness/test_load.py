from __future__ import annotations

from dataclasses import replace

import pytest

from harness import load
from harness.record import Ledger, RunRecord, Write
from harness.reports import console
from harness.verdict import judge
from tests.harness.histories import good


def run(count: int, *, period: float, late: float = 0.0, missed: int = 0) -> RunRecord:
    """A run of so many writes, the last of them late."""
    writes = [
        Write(number, number * period + (late if number == count else 0.0), number * period, "0" * 64, {"epoch": 1})
        for number in range(1, count + 1)
    ]
    return replace(good(), ledger=Ledger(tuple(writes), period, (), 100.0, missed))


def test_a_run_without_a_write_has_no_load():
    assert load.of(replace(good(), ledger=Ledger())) is None


def test_rate_lateness_and_misses_are_those_of_the_ledger():
    found = load.of(run(101, period=0.01, late=0.5, missed=9))
    assert found is not None
    assert (found.asked, found.written, found.missed) == (110, 101, 9)
    assert found.asked_per_second == pytest.approx(100)
    assert found.achieved_per_second == pytest.approx(100 / 1.5)
    assert found.late_max_seconds == pytest.approx(0.5)
    assert found.late_p99_seconds == pytest.approx(0.0, abs=1e-9)
    assert found.share == pytest.approx(101 / 110)


def test_time_in_which_the_job_was_told_to_pause_is_no_time_of_its_load():
    record = run(101, period=0.01)
    paused = replace(record, ledger=replace(record.ledger, pauses=((0.2, 0.7),)))
    found = load.of(paused)
    assert found is not None
    assert found.achieved_per_second == pytest.approx(200)


def test_a_hard_load_is_said_on_the_screen_and_a_write_now_and_then_is_not():
    shown = console.render([judge(run(101, period=0.01, late=0.5, missed=1))])
    assert "load: 101 of 102 writes" in " ".join(shown.split())
    assert "1 missed" in " ".join(shown.split())
    assert "load:" not in console.render([judge(good())])

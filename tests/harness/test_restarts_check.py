"""The check alive, and what a supervisor hides: histories of a bridge's process tree by hand, and in any number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.record import Event, RunRecord
from tests.harness.histories import good, spec

READY, STOP = 1.0, 18.0
"""Of the good history, whose bridge reads once a second."""


def alive(*members: Event) -> CheckResult:
    record = good()
    record = replace(record, events=(*record.events, *members))
    budget = promises.load().budget("survives-bad-input", "alive")
    return CHECKS["alive"].judge(record, spec("alive", "survives-bad-input"), budget)


def member(t: float, action: str, pid: int, command: str = "bridge-worker", **more: object) -> Event:
    known = {"role": "bridge", "action": action, "pid": pid, "create_time": pid / 10, "image": 1, "root": 10}
    return Event(t, "member", {**known, "command": command, "unseen_seconds": 0.25, **more})


def life(pid: int, begin: float, end: float | None = None, **more: object) -> list[Event]:
    ended = [] if end is None else [member(end, "ended", pid, **more)]
    return [member(begin, "began", pid, **more), *ended]


def test_a_worker_that_died_and_was_replaced_is_an_exit():
    result = alive(*life(11, 0.5, 8.0), *life(12, 8.0))
    assert result.verdict is Verdict.FAIL
    assert result.at_seconds == 8.0
    assert "process 11 of the bridge ended at 8.0 s and was replaced by 12 (bridge-worker)" in result.reason


def test_each_restart_is_counted():
    assert alive(*life(11, 0.5, 8.0), *life(12, 8.0, 12.0), *life(13, 12.0)).measured == 2


def test_a_replacement_whose_command_differs_by_its_numbers_is_one():
    again = life(12, 8.0, command="worker --fd=9")
    assert alive(*life(11, 0.5, 8.0, command="worker --fd=7"), *again).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("worker --run-id=9f1c2b3a4d5e6f708192a3b4c5d6e7f8", "worker --run-id=a07b6c5d4e3f21008f9e8d7c6b5a4938"),
        ("worker 0b5f8a3e-7d0c-4c57-9c0e-d1f2a3b4c5d6", "worker fe12dc34-ba56-4789-8abc-0123456789ab"),
    ],
)
def test_a_replacement_whose_command_differs_by_a_name_made_at_random_is_one(first: str, second: str):
    assert alive(*life(11, 0.5, 8.0, command=first), *life(12, 8.0, command=second)).verdict is Verdict.FAIL


def test_a_process_that_turned_into_another_program_is_an_exit():
    turned = [member(8.0, "ended", 11), member(8.0, "began", 11, "bridge-anew", image=2)]
    result = alive(*life(11, 0.5), *turned)
    assert result.verdict is Verdict.FAIL
    assert "turned into" in result.reason


@pytest.mark.parametrize(
    ("why", "members"),
    [
        ("it lives on", life(11, 0.5)),
        ("nobody took its place", life(11, 0.5, 8.0)),
        ("another program came", [*life(11, 0.5, 8.0), *life(12, 8.0, command="log-shipper")]),
        ("its successor was there before", [*life(12, 0.5), *life(11, 0.5, 8.0)]),
        ("it ended before the bridge was ready", [*life(11, 0.1, 1.1), *life(12, 1.1)]),
        ("it ended after the signal", [*life(11, 0.5, 18.1), *life(12, 18.1)]),
        ("a process for each reading", [e for t in range(2, 17) for e in life(t, t, t + 1)]),
        ("another role's", [replace(e, data={**e.data, "role": "job"}) for e in [*life(1, 0.5, 8.0), *life(2, 8.0)]]),
    ],
)
def test_what_is_no_restart_passes(why: str, members: list[Event]):
    assert alive(*members).verdict is Verdict.PASS, why


def test_an_old_record_without_members_is_judged_as_before():
    record: RunRecord = good()
    assert not [event for event in record.events if event.kind == "member"]
    assert alive().verdict is Verdict.PASS


@given(
    begin=st.floats(0.0, 3.0),
    lived=st.floats(2.3, 12.0),
    gap=st.floats(0.0, 2.0),
    pids=st.lists(st.integers(11, 400), min_size=2, max_size=2, unique=True),
)
def test_whoever_lived_for_two_intervals_and_comes_again_before_the_stop_is_caught(
    begin: float, lived: float, gap: float, pids: list[int]
):
    first, second = pids
    end = begin + lived
    result = alive(*life(first, begin, end), *life(second, end + gap))
    assert (result.verdict is Verdict.FAIL) == (end - 0.25 >= READY and end < STOP)


@given(st.lists(st.tuples(st.floats(0.0, 17.0), st.floats(0.0, 2.0), st.integers(11, 99)), max_size=20))
def test_processes_that_live_shorter_than_two_intervals_are_never_taken_for_the_bridge(
    short_lived: list[tuple[float, float, int]],
):
    members = [
        event
        for number, (begin, lived, pid) in enumerate(short_lived)
        for event in life(pid + 100 * number, begin, begin + lived)
    ]
    assert alive(*members).verdict is Verdict.PASS

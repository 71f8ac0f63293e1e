"""Whole runs: several lives of bridge and sink, faults in faults, an end at bad moments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.checks.spans import own_ends, planned_kills
from harness.processes import Process, ProcessError, Processes
from harness.record import RunRecord
from harness.record_folder import load
from harness.scenario import Scenario
from harness.verdict import judge
from harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.conftest import OneRun

KILL = {"fault": "bridge-killed", "for": 0.3, "recovery": 0.6}


def fault_events(record: RunRecord) -> list[tuple[str, str, bool]]:
    return [
        (event.data["fault"], event.data["action"], event.data["ok"])
        for event in record.events
        if event.kind == "fault"
    ]


def of_process(record: RunRecord, role: str) -> list[tuple[str, int]]:
    return [
        (event.data["action"], event.data["pid"])
        for event in record.events
        if event.kind == "process" and event.data["role"] == role
    ]


def moments(record: RunRecord) -> list[tuple[str, bool]]:
    return [(event.data["at"], event.data["ok"]) for event in record.events if event.kind == "moment"]


@pytest.fixture(autouse=True)
def nothing_is_left(one_run: OneRun, count_left: Callable[[Path], list[str]]):
    yield
    assert count_left(one_run.run_dir) == []


def test_a_killed_bridge_has_a_second_life_and_its_end_is_none_of_its_own(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short(timeline=[KILL]))
    record = load(one_run.run_dir)
    lives = of_process(record, "bridge")
    first, second = lives[0][1], lives[-1][1]
    assert [action for action, _ in lives] == ["started", "ready", "killed", "exited", "started", "signalled", "exited"]
    assert first != second
    assert planned_kills(record, "bridge") == {first}
    assert [event.data["pid"] for event in own_ends(record, "bridge")] == [second]
    assert {sample.role for sample in record.resources} >= {"bridge"}
    assert any(export.delivered for export in record.exports if export.t > record.phases[-2].start)


def test_a_sink_that_was_killed_writes_on_in_the_same_record(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(timeline=[{"fault": "collector-killed", "for": 0.3, "recovery": 1.0}]))
    record = load(one_run.run_dir)
    assert record.meta.error is None
    assert [action for action, _ in of_process(record, "sink")].count("started") == 2
    (fault,) = [phase for phase in record.phases if phase.kind == "fault"]
    assert [export for export in record.exports if export.t < fault.start]
    assert [export for export in record.exports if export.t > fault.end]


def test_a_fault_inside_of_another_is_healed_before_it(one_run: OneRun, short: Callable[..., Scenario]):
    inner = {"fault": "bridge-stopped", "after": 0.2, "for": 0.3}
    one_run(short(timeline=[{"fault": "collector-refused", "name": "away", "for": 0.8, "inner": inner}]))
    record = load(one_run.run_dir)
    assert fault_events(record) == [
        ("collector-refused", "inject", True),
        ("collector-refused", "verify", True),
        ("bridge-stopped", "inject", True),
        ("bridge-stopped", "verify", True),
        ("bridge-stopped", "verify", True),
        ("bridge-stopped", "heal", True),
        ("collector-refused", "verify", True),
        ("collector-refused", "heal", True),
    ]


def test_an_inner_fault_that_did_not_take_makes_the_run_inconclusive(one_run: OneRun, short: Callable[..., Scenario]):
    inner = {"fault": "collector-takes-part", "after": 0.1, "for": 0.1, "with": {"metric": "ml.training.loss"}}
    one_run(short(timeline=[{"fault": "collector-refused", "name": "away", "for": 0.5, "inner": inner}]))
    judgement = judge(load(one_run.run_dir))
    assert any("was not put in place" in doubt for doubt in judgement.doubts), judgement.doubts


def test_a_bridge_can_be_told_to_end_in_the_middle_of_a_write(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(stop={"at": "mid-write"}))
    record = load(one_run.run_dir)
    assert moments(record) == [("mid-write", True)]
    (signalled,) = [e for e in record.events if e.kind == "process" and e.data["action"] == "signalled"]
    assert record.ledger.writes[-1].t > signalled.t
    assert not [doubt for doubt in judge(record).doubts if "moment" in doubt or "whole before" in doubt]


def test_a_bridge_can_be_told_to_end_while_it_starts(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(stop={"at": "starting"}, bridge={"interval": 0.5}))  # its first call is not at once
    record = load(one_run.run_dir)
    assert moments(record) == [("starting", True)]
    assert [action for action, _ in of_process(record, "bridge")].count("started") == 2
    assert planned_kills(record, "bridge") == {of_process(record, "bridge")[0][1]}


def test_a_moment_that_never_came_makes_the_run_inconclusive(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(stop={"at": "starting"}, timeline=[{"steady": 1.5}]), nature="mortal")
    judgement = judge(load(one_run.run_dir))
    assert any("moment" in doubt for doubt in judgement.doubts), judgement.doubts


def test_the_run_folder_stands_where_the_scenario_names_it(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(bridge={"interval": 0.05, "env": {"SPOOL": "{run}/spool"}}))
    (said,) = [line for line in (one_run.run_dir / "bridge.log").read_text().splitlines() if "environment" in line]
    assert "SPOOL" in said


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "bridge-killed", "for": 30}, "bridge-killed: verify ok"),
        ({"fault": "bridge-stopped", "for": 30}, "bridge-stopped: verify ok"),
        ({"fault": "bridge-starved", "for": 30, "with": {"processes": 2}}, "bridge-starved: inject ok"),
        ({"fault": "bridge-out-of-files", "for": 30}, "bridge-out-of-files: verify ok"),
        ({"fault": "collector-killed", "for": 30}, "collector-killed: verify ok"),
        ({"fault": "collector-slow", "for": 30, "with": {"by": "20s"}}, "collector-slow: inject ok"),
        (
            {
                "fault": "collector-refused",
                "for": 30,
                "inner": {"fault": "bridge-killed", "after": 0.1, "for": 20},
            },
            "bridge-killed: verify ok",
        ),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else "",
)
def test_an_interrupt_heals_and_leaves_nothing_running(
    fault: dict[str, object], words: str, one_run: OneRun, short: Callable[..., Scenario]
):
    thread = threading.Thread(target=one_run, args=(short(timeline=[fault]),))
    thread.start()
    try:
        wait_until(lambda: any(words in line for line in one_run.said), within=20, what=f"progress says {words!r}")
    finally:
        one_run.interrupt.set()
        interrupted = time.monotonic()
        thread.join(45)
    assert not thread.is_alive()
    assert time.monotonic() - interrupted < 10
    record = load(one_run.run_dir)
    assert record.meta.interrupted
    injected = [name for name, action, _ in fault_events(record) if action == "inject"]
    assert [name for name, action, ok in fault_events(record) if action == "heal" and ok] == injected[::-1]


def test_nothing_can_be_started_when_a_run_is_over(processes: Processes, start: Callable[..., Process]):
    processes.close()
    with pytest.raises(ProcessError, match="the run is over"):
        start("pass")

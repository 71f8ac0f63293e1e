"""Who runs beside whom, and what an interrupt or a defect leaves of the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.batch import Plan, exit_code, run_all, run_dirs, run_folders
from harness.checks import Verdict
from harness.record import RecordError
from harness.verdict import Judgement
from tests.harness.histories import scenario

MEET_SECONDS = 10.0


class Silent:
    """A watcher that remembers who ended."""

    def __init__(self) -> None:
        self.endings: list[str] = []

    def started(self, plan: Plan) -> None:
        """Nothing to note."""

    def said(self, plan: Plan, text: str) -> None:
        """Nothing to note."""

    def ended(self, plan: Plan, judgement: Judgement) -> None:
        self.endings.append(f"{plan.scenario.name}: {judgement.verdict}")


def plan(name: str, *, alone: bool = False) -> Plan:
    check = {"check": "cpu-percent", "promise": "cpu-steady"} if alone else {"check": "alive", "promise": "shutdown"}
    return Plan(scenario(name=name, checks=[check]), "embedded", Path(name), 0)


def carried_out(plans: list[Plan], run_one: Callable[..., None], **more: object) -> list[Judgement]:
    settings = {"jobs": 2, "interrupt": threading.Event(), "watcher": Silent(), **more}
    return run_all(plans, run_one=run_one, **settings)


def test_functional_scenarios_run_side_by_side():
    meeting = threading.Barrier(2, timeout=MEET_SECONDS)
    met: list[str] = []

    def run_one(plan: Plan, *_: object) -> None:
        meeting.wait()
        met.append(plan.scenario.name)

    carried_out([plan("a"), plan("b")], run_one)

    assert sorted(met) == ["a", "b"]


def test_the_longest_begin_first_and_the_verdicts_stay_in_order():
    started: list[str] = []
    steps = {"short": "5s", "long": "60s", "middle": "20s", "middle-too": "20s"}
    plans = [
        replace(plan(name), scenario=scenario(name=name, timeline=[{"steady": for_}])) for name, for_ in steps.items()
    ]

    judgements = carried_out(plans, lambda plan, *_: started.append(plan.scenario.name), jobs=1)

    assert started == ["long", "middle", "middle-too", "short"]
    assert [judgement.scenario for judgement in judgements] == [*steps]


def test_a_scenario_with_a_budget_that_neighbours_spoil_runs_alone():
    lock = threading.Lock()
    running: set[str] = set()
    neighbours: dict[str, set[str]] = {}

    def run_one(plan: Plan, interrupt: threading.Event, _: object) -> None:
        with lock:
            running.add(plan.scenario.name)
        interrupt.wait(0.05)
        with lock:
            neighbours[plan.scenario.name] = running - {plan.scenario.name}
            running.discard(plan.scenario.name)

    carried_out([plan("a", alone=True), plan("b"), plan("c", alone=True), plan("d")], run_one, jobs=4)

    assert neighbours["a"] == neighbours["c"] == set()
    assert set(neighbours) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("problem", [RecordError("the disk is full"), KeyError("x")])
def test_what_goes_wrong_in_one_run_costs_no_other(problem: Exception):
    def run_one(*_: object) -> None:
        raise problem

    watcher = Silent()
    judgements = carried_out([plan("a"), plan("b")], run_one, watcher=watcher)

    assert [judgement.verdict for judgement in judgements] == [Verdict.HARNESS_ERROR] * 2
    assert sorted(watcher.endings) == ["a: HARNESS ERROR", "b: HARNESS ERROR"]
    assert str(problem).strip("'") in judgements[0].reason


def test_after_an_interrupt_nothing_new_is_started():
    started: list[str] = []

    def run_one(plan: Plan, interrupt: threading.Event, _: object) -> None:
        started.append(plan.scenario.name)
        interrupt.set()

    judgements = carried_out([plan("a"), plan("b"), plan("c", alone=True)], run_one, jobs=1)

    assert started == ["a"]
    assert [judgement.scenario for judgement in judgements] == ["a"]


def test_a_folder_that_is_there_is_not_taken_again(tmp_path: Path):
    (tmp_path / "x").mkdir()

    assert [folder.name for folder in run_dirs(tmp_path, ["x", "x", "y"])] == ["x-2", "x-3", "y"]


@pytest.mark.timeout(20)
def test_a_link_to_a_folder_that_is_gone_is_tried_once_and_not_for_ever(tmp_path: Path):
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")

    assert list(run_dirs(tmp_path / "runs", ["x"])) == [tmp_path / "runs" / "x"]


def test_a_folder_of_runs_means_all_its_runs(tmp_path: Path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    (tmp_path / "c").mkdir()

    assert [folder.name for folder in run_folders(tmp_path)] == ["a", "b"]
    assert run_folders(tmp_path / "a") == [tmp_path / "a"]
    assert run_folders(tmp_path / "c") == []


def test_a_scenario_that_was_not_run_beside_one_that_passed_is_no_failure():
    passed = Judgement("a", "embedded", Verdict.PASS, "")
    not_run = Judgement("b", "embedded", Verdict.NOT_RUN, "")

    assert exit_code([passed, not_run]) == 0
    assert exit_code([not_run]) == exit_code([]) == 2

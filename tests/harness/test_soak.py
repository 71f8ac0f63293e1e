from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import loading, soak, soak_run
from harness.checks import CheckResult, Verdict
from harness.faults import FAULTS, problems_of
from harness.rigs import RIGS
from harness.scenario import FaultStep
from harness.verdict import Judgement


def names(timeline: Sequence[soak.Step]) -> list[str]:
    return [step["name"] for step in timeline]


def some(count: int) -> list[soak.Step]:
    return [{"name": f"fault-{number}"} for number in range(1, count + 1)]


@given(st.integers(min_value=0, max_value=2**31), st.floats(min_value=10, max_value=3600))
def test_the_same_seed_gives_the_same_faults(seed: int, seconds: float):
    assert soak.steps(seed, seconds) == soak.steps(seed, seconds)


def test_other_seeds_give_other_faults():
    assert len({str(soak.steps(seed, 300)) for seed in range(20)}) == 20


@pytest.mark.parametrize("dish", soak.MENU, ids=lambda dish: f"{dish.fault}{dict(dish.with_) or ''}")
def test_every_dish_is_a_fault_that_can_be_built_and_needs_no_special_rig(dish: soak.Dish):
    assert not problems_of(dish.fault, dish.with_)
    assert FAULTS[dish.fault].needs <= RIGS["embedded"].offers & RIGS["local"].offers


@given(st.integers(min_value=0, max_value=2**31))
def test_a_schedule_is_a_valid_scenario_of_about_the_length_asked_for(seed: int):
    timeline = soak.steps(seed, 120)
    scenario = soak.scenario(soak.document(timeline, name="soak-1", what="Random faults."), name="soak-1.yaml")
    faults = [step for step in scenario.timeline if isinstance(step, FaultStep)]
    assert [step.name for step in faults] == names(timeline)
    lasts_seconds = sum(step.for_ + step.recovery + 1.5 for step in faults)
    assert 120 <= lasts_seconds <= 160


def test_a_schedule_without_faults_is_a_valid_scenario_too():
    assert soak.scenario(soak.document([], name="soak-1", what="Nothing is broken."), name="soak-1.yaml")


def test_the_schedule_of_the_longest_soak_can_be_run_again_by_its_file():
    tenth = soak.document(soak.steps(1, 6 * soak_run.MINUTES_MAX), name="soak-1", what="Random faults.")
    assert 10 * len(tenth.encode()) < loading.SIZE_MAX_BYTES


@given(st.integers(min_value=2, max_value=12), st.data())
def test_a_reduction_finds_exactly_the_faults_that_matter(count: int, data: st.DataObject):
    timeline = some(count)
    guilty = set(data.draw(st.lists(st.sampled_from(names(timeline)), min_size=1, max_size=3)))
    found = soak.reduce(timeline, lambda tried: guilty <= set(names(tried)), runs_max=1000)
    assert set(names(found.timeline)) == guilty
    assert found.smallest


def test_the_suspects_are_tried_first():
    found = soak.reduce(some(50), lambda tried: "fault-40" in names(tried), suspects=some(50)[38:40], runs_max=12)
    assert (names(found.timeline), found.runs, found.smallest) == (["fault-40"], 3, True)


def test_what_fails_without_any_fault_is_reduced_to_none():
    found = soak.reduce(some(6), lambda _: True, runs_max=100)
    assert (found.timeline, found.smallest) == ((), True)


def test_a_reduction_keeps_to_its_runs_and_says_that_it_is_not_at_its_end():
    tried: list[int] = []

    def fails(candidate: Sequence[soak.Step]) -> bool:
        tried.append(len(candidate))
        return {"fault-1", "fault-30", "fault-60"} <= set(names(candidate))

    found = soak.reduce(some(60), fails, runs_max=5)
    assert len(tried) == 5 == found.runs
    assert {"fault-1", "fault-30", "fault-60"} <= set(names(found.timeline))
    assert not found.smallest


def test_the_suspects_are_the_fault_that_had_begun_last_when_the_first_check_saw_its_worst_and_the_one_after():
    results = tuple(
        CheckResult("alive", "p", verdict, 1.0, "exits", 0.0, 0.0, 1, 1, "So.", at_seconds)
        for verdict, at_seconds in [(Verdict.FAIL, 25.0), (Verdict.FAIL, 55.0), (Verdict.PASS, 5.0)]
    )
    judgement = Judgement("soak-1", "embedded", Verdict.FAIL, "", checks=results)
    starts = {"fault-1": 10.0, "fault-2": 20.0, "fault-3": 30.0}
    assert names(soak.suspects(some(3), judgement, starts)) == ["fault-2", "fault-3"]

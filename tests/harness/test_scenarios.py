"""The scenarios that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.batch import SIDE_BY_SIDE, Plan
from harness.catalogue import entries, files
from harness.plausibility import phase_seconds
from harness.promises import load as load_promises
from harness.reports import index
from harness.scenario import Scenario, SteadyStep
from harness.starter import Starter

FOLDER = Path(__file__).parents[2] / "scenarios"
ENTRIES = entries(files(FOLDER))
SCENARIOS = [entry.scenario for entry in ENTRIES]
_START_AND_END_SECONDS = 2
"""Seen: 0.8 to 1.0 s beyond its phases for one that runs alone; with this the plan is what the profile takes."""
_STOP_UNDER_FAULT_SECONDS = 11


def test_every_scenario_runs_on_some_rig_and_the_index_names_no_other():
    runs_on = {scenario.name: Starter().runs_on(scenario) for scenario in SCENARIOS}
    assert all(runs_on.values())
    assert "embedded" not in runs_on["back-end/values"]
    assert "kubernetes" not in runs_on["bridge-stopped"]


def test_the_index_is_the_one_that_the_files_make():
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == index.render(SCENARIOS, Starter().runs_on), (
        "make it anew: python -m harness list --markdown > scenarios/README.md"
    )


def test_each_file_is_called_as_its_scenario_and_no_name_is_there_twice():
    assert {entry.path.stem for entry in ENTRIES} == {entry.scenario.name.partition("/")[0] for entry in ENTRIES}
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_every_promise_is_held_by_a_scenario_of_the_smoke_profile():
    held = {spec.promise for scenario in SCENARIOS if scenario.profile == "smoke" for spec in scenario.checks}

    assert held == set(load_promises().promises)


def before_the_first_fault(scenario: Scenario) -> float | None:
    """How long the bridge is watched in peace, s; None: no fault comes."""
    seconds = scenario.warm_up
    for step in scenario.timeline:
        if not isinstance(step, SteadyStep):
            return seconds
        seconds += step.steady
    return None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_bridge_that_dies_of_the_first_fault_was_seen_for_long_enough_to_be_missed(scenario: Scenario):
    """`alive` asks for two intervals, and a second at least, of what is restarted; a loaded machine sees less of it."""
    interval, peace = scenario.bridge.interval, before_the_first_fault(scenario)
    if interval is None or peace is None or not any(spec.check == "alive" for spec in scenario.checks):
        return
    assert peace >= max(1.0, 2 * interval) + 1.0


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_is_read_again_from_its_record_as_it_was(scenario: Scenario):
    assert Scenario.from_record(scenario.model_dump(mode="json", by_alias=True)) == scenario
    assert Scenario.from_record(scenario.model_dump(mode="json")) == scenario


def test_the_smoke_profile_is_planned_to_take_less_than_four_minutes_on_two_processors():
    together = alone = 0.0
    for scenario in SCENARIOS:
        if scenario.profile != "smoke" or Starter().why_not(scenario, "embedded"):
            continue
        seconds = sum(phase_seconds(scenario)) + _START_AND_END_SECONDS
        seconds += _STOP_UNDER_FAULT_SECONDS if scenario.stop.under else 0
        if Plan(scenario, "embedded", Path(), 0).alone:
            alone += seconds
        else:
            together += seconds

    assert together / (2 * SIDE_BY_SIDE) + alone < 240

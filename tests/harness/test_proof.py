"""The proof of the harness can itself fail: a mutant that is missed, or caught by accident, is not proven."""

from __future__ import annotations

import importlib.util
import io

import pytest
from rich.console import Console

from harness.catalogue import SelectionError, scenario_folder, select
from harness.checks import CHECKS, CheckResult, Verdict
from harness.mutants import MUTANTS, Mutant
from harness.mutants.proof import Finding, chosen, exit_code, of_mutant, of_real_bridge, scenario_called, table
from harness.verdict import Judgement

MUTANT = Mutant("spins", "steady", "cpu-percent")


def judged(verdict: Verdict, *failed: str) -> Judgement:
    results = tuple(CheckResult(name, "p", Verdict.FAIL, 1.0, "s", 0.0, 0.0, 1, 1, "It broke.") for name in failed)
    return Judgement("steady", "embedded", verdict, "why", checks=results)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_a_module_and_its_scenario_has_the_check_that_claims_it(mutant: Mutant):
    assert importlib.util.find_spec(mutant.module) is not None
    assert mutant.check in CHECKS
    assert mutant.check in {spec.check for spec in scenario_called(mutant.scenario).checks}


def test_each_check_that_the_smoke_profile_asks_for_is_claimed_by_a_mutant():
    asked = {
        spec.check for entry in select([], profile="smoke", folder=scenario_folder()) for spec in entry.scenario.checks
    }
    assert asked - {mutant.check for mutant in MUTANTS} == set()


def test_a_mutant_that_the_claimed_check_fails_is_caught():
    assert of_mutant(MUTANT, judged(Verdict.FAIL, "cpu-percent", "alive")).proven


def test_a_mutant_that_only_another_check_fails_is_not_caught():
    assert not of_mutant(MUTANT, judged(Verdict.FAIL, "alive")).proven


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR, Verdict.NOT_RUN])
def test_only_a_fail_catches_a_mutant(verdict: Verdict):
    assert not of_mutant(MUTANT, judged(verdict, "cpu-percent")).proven


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASS])
def test_the_real_bridge_has_to_pass(verdict: Verdict):
    assert not of_real_bridge(judged(verdict)).proven
    assert of_real_bridge(judged(Verdict.PASS)).proven


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], 2),
        ([Verdict.PASS], 1),
        ([Verdict.INCONCLUSIVE], 2),
        ([Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR], 4),
        ([Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR, Verdict.FAIL], 1),
    ],
)
def test_what_is_not_proven_decides_the_exit_code(verdicts: list[Verdict], code: int):
    assert exit_code([Finding("b", "s", "c", judged(verdict), proven=False) for verdict in verdicts]) == code


def test_all_proven_is_zero():
    assert exit_code([of_mutant(MUTANT, judged(Verdict.FAIL, "cpu-percent"))]) == 0


def test_a_name_that_is_no_mutants_is_refused_with_the_nearest():
    with pytest.raises(SelectionError, match="spins"):
        chosen(["spinz"])


def test_the_table_folds_no_word_at_eighty_columns():
    findings = [of_mutant(mutant, judged(Verdict.FAIL, mutant.check)) for mutant in MUTANTS]
    findings += [of_real_bridge(Judgement(mutant.scenario, "embedded", Verdict.PASS, "")) for mutant in MUTANTS]
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=False).print(table(findings))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    words = set(out.getvalue().split())
    for mutant in MUTANTS:
        assert {mutant.name, mutant.scenario, mutant.check} <= words
    assert len(lines) == 1 + 2 * len(findings)

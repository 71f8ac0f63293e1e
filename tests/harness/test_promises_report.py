from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import promises
from harness.checks import CheckResult, Verdict
from harness.promises import Budget
from harness.reports.promises import NOT_MEASURED, aimed, render, stated
from harness.verdict import Judgement

README = Path(__file__).parents[2] / "README.md"
ROW = re.compile(
    r"^\| (?P<promise>[\w-]+) \| `(?P<check>[\w-]+)` \| (?P<limit>[^|]+) \| (?P<target>[^|]+) \|", re.MULTILINE
)


def judged(scenario: str, measured: float | None) -> Judgement:
    result = CheckResult("exit-clean", "shutdown", Verdict.PASS, measured, "s", 15.0, 1.0, 1, 1, "It ended.")
    return Judgement(scenario, "embedded", Verdict.PASS, "", checks=(result,))


def test_the_figure_nearest_to_its_limit_is_shown_with_its_scenario():
    text = render([judged("quick", 0.5), judged("slow", 9.5), judged("quicker", 0.1)])
    assert "| shutdown | `exit-clean` | 15 s | 1 (10 while the collector is away) | 9.50 (PASS) | slow |" in text


def test_a_promise_that_broke_without_a_figure_is_the_worst():
    broken = judged("never-came", None)
    (result,) = broken.checks
    failed = replace(broken, checks=(replace(result, verdict=Verdict.FAIL),))

    assert "| - (FAIL) | never-came |" in render([judged("slow", 9.5), failed])


def test_a_run_without_its_fault_or_that_was_not_carried_out_has_no_figure():
    doubtful = replace(judged("no-fault", 0.1), verdict=Verdict.INCONCLUSIVE, doubts=("The fault was never put.",))
    error = replace(judged("killed", 0.1), verdict=Verdict.HARNESS_ERROR)

    assert not ROW.search(render([doubtful, error]))


@pytest.mark.parametrize("judgements", [[], [judged("nothing", None)]])
def test_a_budget_without_a_figure_is_named_below_the_table(judgements: list[Judgement]):
    text = render(judgements)
    assert not ROW.search(text)
    assert "of shutdown: `exit-clean`, `last-write-delivered`" in text.partition(NOT_MEASURED)[2]


def all_budgets() -> dict[tuple[str, str], Budget]:
    found = promises.load().promises.items()
    return {(promise, check): budget for promise, body in found for check, budget in body.budgets.items()}


def test_every_measured_budget_in_readme_has_the_limits_of_the_promises_file():
    budgets, found = all_budgets(), list(ROW.finditer(README.read_text(encoding="utf-8")))
    assert len(found) > 40
    for row in found:
        budget = budgets[row["promise"], row["check"]]
        assert (row["limit"], row["target"]) == (stated(budget), aimed(budget)), row.group()


def test_every_budget_stands_in_readme_measured_or_named_as_not_measured():
    text = README.read_text(encoding="utf-8")
    named = {
        (clause.partition(":")[0].removeprefix("of "), check)
        for clause in re.findall(r"of [\w-]+: [^;.]+", text.partition(NOT_MEASURED)[2].partition("\n\n")[0])
        for check in re.findall(r"`([\w-]+)`", clause)
    }
    assert {(row["promise"], row["check"]) for row in ROW.finditer(text)} | named == set(all_budgets())

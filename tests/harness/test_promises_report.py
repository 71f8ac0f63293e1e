from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness import promises
from harness.checks import CheckResult, Verdict
from harness.reports.promises import render
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


@pytest.mark.parametrize("judgements", [[], [judged("nothing", None)]])
def test_a_budget_without_a_figure_says_so(judgements: list[Judgement]):
    assert "| shutdown | `exit-clean` | 15 s | 1 (10 while the collector is away) | not measured |" in render(
        judgements
    )


def test_the_table_in_readme_has_every_budget_with_the_limits_of_the_promises_file():
    expected = {match.groups() for match in ROW.finditer(render([]))}
    assert len(expected) == sum(len(promise.budgets) for promise in promises.load().promises.values())
    assert {match.groups() for match in ROW.finditer(README.read_text(encoding="utf-8"))} == expected

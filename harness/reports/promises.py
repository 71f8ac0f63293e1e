"""The promises and what was measured: a Markdown table for README and release notes, the worst figure of all runs."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks import CheckResult
from harness.promises import Budget
from harness.promises import load as load_promises
from harness.reports.figures import figure
from harness.verdict import Judgement

HEAD = (
    "| promise | budget | documented limit | our own target | measured, worst of all runs | in |",
    "|---|---|---:|---:|---:|---|",
)


def render(judgements: Sequence[Judgement]) -> str:
    """Return a row for each budget of each promise. A budget that no run measured says so."""
    rows = [
        f"| {promise} | `{check}` | {stated(budget)} | {aimed(budget)} | {measured(judgements, promise, check)} |"
        for promise, body in load_promises().promises.items()
        for check, budget in body.budgets.items()
    ]
    return "\n".join((*HEAD, *rows)) + "\n"


def stated(budget: Budget) -> str:
    """Write the documented limit with its unit and the scenario's times that are added to it."""
    return " + ".join((f"{budget.documented:g} {budget.unit}", *budget.documented_plus))


def aimed(budget: Budget) -> str:
    """Write our own aim."""
    away = "" if budget.target_while_away is None else f" ({budget.target_while_away:g} while the collector is away)"
    return " + ".join((f"{budget.target:g}", *budget.plus)) + away


def measured(judgements: Sequence[Judgement], promise: str, check: str) -> str:
    """Write two cells: the figure that came nearest to its limit or went beyond it, and the scenario that has it."""
    found = [
        (margin(result), judgement.scenario, result)
        for judgement in judgements
        for result in judgement.checks
        if (result.promise, result.check) == (promise, check) and result.measured is not None
    ]
    if not found:
        return "not measured | "
    _, scenario, worst = min(found, key=lambda entry: entry[0])
    return f"{figure(worst.measured)} ({worst.verdict}) | {scenario}"


def margin(result: CheckResult) -> float:
    """Return how far a figure is from its limit; a figure without a limit is the worst of all."""
    return float("-inf") if result.margin is None else result.margin

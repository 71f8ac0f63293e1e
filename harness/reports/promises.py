"""The promises and what was measured: a Markdown table for README and release notes, the worst figure of all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks import CheckResult, Verdict
from harness.promises import Budget
from harness.promises import load as load_promises
from harness.reports.figures import figure
from harness.verdict import Judgement

HEAD = (
    "| promise | budget | documented limit | our own target | measured, worst of all runs | in |",
    "|---|---|---:|---:|---:|---|",
)

NOT_MEASURED = "Not measured in these runs:"


@dataclass(frozen=True, slots=True)
class PromiseRow:
    """A budget of a promise, and the figure that came nearest to its limit or went beyond it."""

    promise: str
    check: str
    budget: Budget
    worst: CheckResult | None
    """None: no run measured it."""
    scenario: str = ""
    run: str = ""
    """The folder of the run that has it."""


def rows(judgements: Sequence[Judgement]) -> list[PromiseRow]:
    """Return a row for each budget of each promise."""
    return [
        _row(judgements, promise, check, budget)
        for promise, body in load_promises().promises.items()
        for check, budget in body.budgets.items()
    ]


def render(judgements: Sequence[Judgement]) -> str:
    """Return a line for each budget that was measured, and a sentence that names those which were not."""
    found = rows(judgements)
    lines = [
        f"| {row.promise} | `{row.check}` | {stated(row.budget)} | {aimed(row.budget)} | {measured(row)} |"
        for row in found
        if row.worst is not None
    ]
    absent = {
        promise: ", ".join(f"`{row.check}`" for row in found if row.worst is None and row.promise == promise)
        for promise in dict.fromkeys(row.promise for row in found)
    }
    unmeasured = "; ".join(f"of {promise}: {checks}" for promise, checks in absent.items() if checks)
    return "\n".join((*HEAD, *lines)) + "\n" + (f"\n{NOT_MEASURED} {unmeasured}.\n" if unmeasured else "")


def stated(budget: Budget) -> str:
    """Write the documented limit with its unit and the scenario's times that are added to it."""
    return " + ".join((f"{budget.documented:g} {budget.unit}", *budget.documented_plus))


def aimed(budget: Budget) -> str:
    """Write our own aim."""
    away = "" if budget.target_while_away is None else f" ({budget.target_while_away:g} while the collector is away)"
    return " + ".join((f"{budget.target:g}", *budget.plus)) + away


def measured(row: PromiseRow) -> str:
    """Write two cells: the worst figure, and the scenario that has it."""
    assert row.worst is not None  # noqa: S101 - only such rows have cells; for the type checker
    return f"{figure(row.worst.measured)} ({row.worst.verdict}) | {row.scenario}"


def broken(result: CheckResult) -> bool:
    """Whether the promise was broken, with a figure or without one (what never came back has none)."""
    return result.verdict is Verdict.FAIL


def tells(judgement: Judgement, result: CheckResult) -> bool:
    """Whether a result says something of the bridge: a run that was not carried out says nothing.

    One without its fault or its load says only what broke.
    """
    return judgement.verdict is not Verdict.HARNESS_ERROR and (broken(result) or not judgement.doubts)


def margin(result: CheckResult) -> float:
    """Return how far a figure is from its limit; without a limit or a figure it is the worst of all."""
    return float("-inf") if result.margin is None else result.margin


def _row(judgements: Sequence[Judgement], promise: str, check: str, budget: Budget) -> PromiseRow:
    found = [
        (margin(result), judgement, result)
        for judgement in judgements
        for result in judgement.checks
        if (result.promise, result.check) == (promise, check) and tells(judgement, result)
        if result.measured is not None or broken(result)
    ]
    if not found:
        return PromiseRow(promise, check, budget, None)
    _, judgement, worst = min(found, key=lambda entry: entry[0])
    return PromiseRow(promise, check, budget, worst, judgement.scenario, judgement.run)

"""The index of the scenarios, ``scenarios/README.md``: made from the files, so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.plausibility import phase_seconds
from harness.promises import Promises
from harness.promises import load as load_promises
from harness.scenario import CheckSpec, RigName, Scenario

_HEAD = """# Scenarios

What is done to a bridge, and what it is held to. Each scenario is a file of data in this folder; a file with variants
makes one scenario for each. This page is made from the files (`python -m harness list --markdown`); a test compares it.

How to write one: its keys are those of `harness/scenario.py`, and `python -m harness validate FILE` names every mistake
with its line. The numbers stand in `harness/promises.yaml`; a scenario names the promise and may only be stricter.

| scenario | what happens | planned for | promises |
|---|---|---:|---|
"""


RunsOn = Callable[[Scenario], Sequence[RigName]]
"""The rigs that have what a scenario needs."""


def render(scenarios: Sequence[Scenario], runs_on: RunsOn) -> str:
    """Return the page as Markdown."""
    promises = load_promises()
    rows = [_row(scenario) for scenario in scenarios]
    return _HEAD + "\n".join([*rows, "", *(_section(scenario, runs_on(scenario), promises) for scenario in scenarios)])


def _row(scenario: Scenario) -> str:
    held = ", ".join(dict.fromkeys(spec.promise for spec in scenario.checks))
    return f"| `{scenario.name}` | {scenario.what} | {sum(phase_seconds(scenario)):g} s | {held} |"


def _section(scenario: Scenario, rigs: Sequence[RigName], promises: Promises) -> str:
    enforced = [f"- {_line(scenario, spec, promises)}" for spec in scenario.checks]
    runs = f"Profile {scenario.profile}; rigs {', '.join(rigs)}; tags {', '.join(scenario.tags) or 'none'}."
    return "\n".join(
        [
            f"## {scenario.name}",
            "",
            scenario.what,
            "",
            f"Why: {scenario.why}",
            "",
            "Enforced:",
            "",
            *enforced,
            "",
            runs,
            "",
        ]
    )


def _line(scenario: Scenario, spec: CheckSpec, promises: Promises) -> str:
    budget = promises.promises[spec.promise].budgets[spec.check]
    limit = budget.limit(interval_seconds=scenario.bridge.interval, write_period_seconds=scenario.job.write_period)
    limit = limit if spec.at_most is None else spec.at_most
    during = f", during {', '.join(spec.during)}" if spec.during else ""
    return f"`{spec.check}` at most {limit:g} {budget.unit} ({spec.promise}){during}"

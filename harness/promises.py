"""Reads `harness/promises.yaml`, the only place where the promises' numbers stand, into frozen strict models."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from harness import yaml_lines
from harness.scenario import Slug, Strict

PROMISES_FILE = Path(__file__).with_name("promises.yaml")

Unit = Literal[
    "% of one core",
    "MiB",
    "MB",
    "s",
    "Mbit/s",
    "calls/s",
    "connections/s",
    "exits",
    "lost writes",
    "wrong deliveries",
    "wrong values",
    "early calls",
    "repeated updates",
    "series a job",
    "threads",
    "descriptors",
    "switches/s",
    "MiB/h",
    "threads/h",
    "descriptors/h",
    "log lines",
]  # MiB is not MB: 50 MiB is 52.4 MB
ScenarioTime = Literal["interval", "write-period"]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sentence = Annotated[str, Field(pattern=r"^[A-Z0-9][^\n]*\.$")]


class PromisesError(Exception):
    """The file of the promises is not as it must be; one line for each problem, with file and line number."""


class Budget(Strict):
    """The bound of one check under one promise, in ``unit``."""

    documented: Figure
    """The limit that decides between PASS and FAIL, before ``documented_plus``: see `limit`."""
    unit: Unit
    target: Figure
    """Our own aim, before ``plus``: see `goal`. It decides nothing."""
    target_while_away: Figure | None = None
    """Our own aim where the bridge is asked to end while the collector is away; none of its own: ``target``."""
    plus: tuple[ScenarioTime, ...] = ()
    """Times of the scenario that are added to the target."""
    documented_plus: tuple[ScenarioTime, ...] = ()
    """Times of the scenario that are added to the documented limit."""
    source: Sentence
    """Where the documented number comes from."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        away = self.target if self.target_while_away is None else self.target_while_away
        if not self.target <= away <= self.documented:
            if self.target <= self.documented:
                raise ValueError(f"target_while_away {away:g} is not between {self.target:g} and {self.documented:g}")
            raise ValueError(f"the target {self.target:g} is looser than the documented limit {self.documented:g}")
        if (self.plus or self.documented_plus) and self.unit != "s":
            raise ValueError(f"times of the scenario are added, but the unit is {self.unit}, not s")
        for added in (self.plus, self.documented_plus):
            if len(set(added)) != len(added):
                raise ValueError(f"a time of the scenario is added twice: {', '.join(added)}")
        return self

    def limit(self, *, interval_seconds: float, write_period_seconds: float) -> float:
        """Return the documented limit for a scenario with these times, in ``unit``."""
        return self.documented + _sum(self.documented_plus, interval_seconds, write_period_seconds)

    def goal(self, *, interval_seconds: float, write_period_seconds: float, collector_away: bool = False) -> float:
        """Return our own aim for a scenario with these times, in ``unit``."""
        target = self.target_while_away if collector_away and self.target_while_away is not None else self.target
        return target + _sum(self.plus, interval_seconds, write_period_seconds)


def _sum(added: tuple[ScenarioTime, ...], interval_seconds: float, write_period_seconds: float) -> float:
    seconds = {"interval": interval_seconds, "write-period": write_period_seconds}
    return sum(seconds[time] for time in added)


class Promise(Strict):
    """One promise: what it says, and the budgets of the checks that can hold a bridge to it."""

    says: Sentence
    budgets: Annotated[dict[Slug, Budget], Field(min_length=1)]
    """By the check's name."""


class Promises(Strict):
    """All promises, by name."""

    promises: Annotated[dict[Slug, Promise], Field(min_length=1)]

    def budget(self, promise: str, check: str) -> Budget | None:
        """Return the budget that a check has under a promise; None where the promise has none for it.

        Raises:
            KeyError: there is no promise of that name.
        """
        return self.promises[promise].budgets.get(check)


def parse(text: str, *, name: str) -> Promises:
    """Turn the file's text into promises; ``name`` is what the file is called in the error.

    Raises:
        PromisesError: all that is wrong, one line for each problem.
    """
    document = yaml_lines.parse(text)
    problems = [f"{name}:{complaint.line}: {complaint.message}" for complaint in document.complaints]
    if not problems:
        try:
            # By way of JSON: strict models take a list for a tuple only there.
            return Promises.model_validate_json(json.dumps(document.data))
        except ValidationError as error:
            problems = [
                f"{name}:{document.line_of(problem['loc'])}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors()
            ]
    raise PromisesError("\n".join(problems))


@cache
def load(path: Path = PROMISES_FILE) -> Promises:
    """Read a promises file, ours unless told otherwise. Each file is read once in a process.

    Raises:
        PromisesError: all that is wrong, one line for each problem.
        OSError: the file cannot be read.
    """
    return parse(path.read_text(encoding="utf-8"), name=path.name)

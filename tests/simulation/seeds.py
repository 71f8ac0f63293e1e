"""From a seed to a world that kept its invariants, or to the shortest schedule that breaks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.simulation.delivery_model import InvariantBrokenError

Schedule = TypeVar("Schedule")
World = TypeVar("World")


def run_or_shrink(
    seed: int,
    schedule: Schedule,
    run: Callable[[Schedule], World],
    shrink: Callable[[Schedule, Callable[[Schedule], bool]], Schedule],
    *,
    file: str,
) -> World:
    """The world after the schedule; where an invariant broke, the test fails with the command that repeats it."""

    def fails(candidate: Schedule) -> bool:
        try:
            run(candidate)
        except InvariantBrokenError:
            return True
        return False

    try:
        return run(schedule)
    except InvariantBrokenError as broken:
        pytest.fail(
            f"seed {seed}: {broken}\nrepeat it: SIMULATION_SEED={seed} python -m pytest {file}\n"
            f"the shortest schedule that still fails: {shrink(schedule, fails)}"
        )

"""What will happen, as data: the same schedule runs the same way. Drawn from a seed, shrunk when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

from bridge.delivery import Bounds
from tests.simulation.collector_moods import MOODS

_MOODS = tuple(MOODS)
AnySchedule = TypeVar("AnySchedule")
"""Frozen, with ``spells``, each of so many ``seconds``."""


@dataclass(frozen=True, slots=True)
class Spell:
    """So long the collector is in one mood."""

    mood: str
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that will happen."""

    seed: int
    bounds: Bounds
    put_seconds: float
    """Between two puts."""
    raw_bytes_max: int
    spells: tuple[Spell, ...]
    stop_budget_seconds: float | None
    """None: no stop; the collector gets well and all must leave. Else the stop comes at the end of the last spell."""


def draw_schedule(seed: int) -> Schedule:
    """Make a schedule of some minutes to hours, small bounds as often as the default ones."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    small = Bounds(
        count=random.randint(1, 40), bytes=random.randint(1000, 20_000), batch_bytes=random.randint(500, 9000)
    )
    spells = tuple(
        Spell(random.choice(_MOODS), round(random.expovariate(1 / 60), 3), random.randrange(10**6))
        for _ in range(random.randint(1, 8))
    )
    return Schedule(
        seed,
        bounds=random.choice((small, Bounds(count=random.randint(50, 500)), Bounds())),
        put_seconds=random.choice((0.05, 0.3, 1.0, 1.0, 10.0)),
        raw_bytes_max=random.choice((100, 1300, 5000, 30_000)),
        spells=spells,
        stop_budget_seconds=random.choice((None, None, 0.0, 0.7, 3.0, 10.0)),
    )


def shrink(schedule: AnySchedule, fails: Callable[[AnySchedule], bool]) -> AnySchedule:
    """Take spells away, then halve them, as long as it still fails."""

    def smaller(one: Any) -> Iterator[AnySchedule]:  # noqa: ANN401 - whatever has spells with seconds
        for index, spell in enumerate(one.spells):
            if len(one.spells) > 1:
                yield replace(one, spells=one.spells[:index] + one.spells[index + 1 :])
            if spell.seconds > 1:
                half = replace(spell, seconds=round(spell.seconds / 2, 3))
                yield replace(one, spells=(*one.spells[:index], half, *one.spells[index + 1 :]))

    while True:
        for candidate in smaller(schedule):
            if fails(candidate):
                schedule = candidate
                break
        else:
            return schedule

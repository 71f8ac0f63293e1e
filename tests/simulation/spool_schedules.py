"""What will happen to a bridge with a spool, as data: troubles of the collector and of the disk, kills and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from bridge.delivery import Bounds
from tests.simulation.fake_disk import DISK_MOODS

COLLECTOR_MOODS = ("well", "refused", "silent", "lost-answers", "any-status", "poisoned", "slow")
ENDINGS = ("none", "kill", "kill-in-write", "kill-and-corrupt", "stop")


@dataclass(frozen=True, slots=True)
class SpoolSpell:
    """So long collector and disk are in one mood each; then the bridge may end, and another one begins."""

    mood: str
    disk: str
    seconds: float
    ending: str
    seed: int


@dataclass(frozen=True, slots=True)
class SpoolSchedule:
    """Everything that will happen."""

    seed: int
    bounds: Bounds
    spool_bytes_max: int
    put_seconds: float
    raw_bytes_max: int
    stop_budget_seconds: float
    spells: tuple[SpoolSpell, ...]


def draw_spool_schedule(seed: int) -> SpoolSchedule:
    """Make a schedule of some minutes, the disk well as often as not."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    spells = tuple(
        SpoolSpell(
            random.choice(COLLECTOR_MOODS),
            random.choice(("ok", random.choice(DISK_MOODS))),
            round(random.expovariate(1 / 20), 3),
            random.choice(ENDINGS),
            random.randrange(10**6),
        )
        for _ in range(random.randint(1, 8))
    )
    small = Bounds(count=random.randint(2, 40), bytes=random.randint(2000, 20_000))
    return SpoolSchedule(
        seed,
        bounds=random.choice((small, Bounds())),
        spool_bytes_max=random.choice((65_536, 65_536, 16 * 1024 * 1024)),
        put_seconds=random.choice((0.1, 0.3, 1.0, 1.0, 10.0)),
        raw_bytes_max=random.choice((60, 1300, 5000)),
        stop_budget_seconds=random.choice((0.0, 0.7, 3.0)),
        spells=spells,
    )


def shrink_spool(schedule: SpoolSchedule, fails: Callable[[SpoolSchedule], bool]) -> SpoolSchedule:
    """Take spells away, then halve and calm them, as long as it still fails."""

    def smaller(one: SpoolSchedule) -> Iterator[SpoolSchedule]:
        for index, spell in enumerate(one.spells):
            before, after = one.spells[:index], one.spells[index + 1 :]
            if len(one.spells) > 1:
                yield replace(one, spells=before + after)
            for calmer in _calmer(spell):
                yield replace(one, spells=(*before, calmer, *after))

    while True:
        for candidate in smaller(schedule):
            if fails(candidate):
                schedule = candidate
                break
        else:
            return schedule


def _calmer(spell: SpoolSpell) -> Iterator[SpoolSpell]:
    if spell.seconds > 1:
        yield replace(spell, seconds=round(spell.seconds / 2, 3))
    if spell.disk != "ok":
        yield replace(spell, disk="ok")
    if spell.mood != "well":
        yield replace(spell, mood="well")
    if spell.ending != "none":
        yield replace(spell, ending="none")

"""Seeded schedules of everything that can happen to delivery, on fake time, with the invariants after each step.

SIMULATION_SECONDS says for how long new seeds are tried; without it they are the same ones, for 3 s: what a change is
tested by does not change by itself, `nox -s simulate` looks for new ones. From 60 on the long run is a year, not weeks.
SIMULATION_SEED runs that one alone.
"""

from __future__ import annotations

import logging
import os
import random
import time
from dataclasses import replace

import pytest

from bridge.delivery import Bounds
from tests.simulation.collector_moods import MOODS
from tests.simulation.delivery_world import World
from tests.simulation.schedules import Schedule, Spell, draw_schedule, shrink
from tests.simulation.seeds import run_or_shrink

SECONDS = float(os.environ.get("SIMULATION_SECONDS", "3"))
SEED = os.environ.get("SIMULATION_SEED")

log = logging.getLogger(__name__)


def run_seed(seed: int) -> World:
    return run_or_shrink(seed, draw_schedule(seed), lambda schedule: World(schedule).run(), shrink, file=__file__)


@pytest.mark.timeout(SECONDS + 120)
def test_the_invariants_hold_under_schedules_never_seen_before():
    if SEED is not None:
        run_seed(int(SEED))
        return
    first = random.SystemRandom().randrange(10**9) if "SIMULATION_SECONDS" in os.environ else 1_000_000
    ends = time.monotonic() + SECONDS
    seeds, simulated_seconds, calls = 0, 0.0, 0
    while time.monotonic() < ends:
        world = run_seed(first + seeds)
        seeds, simulated_seconds, calls = seeds + 1, simulated_seconds + world.now, calls + world.calls
    days = simulated_seconds / 86_400
    log.info("seeds from %d: %d schedules, %d calls, %.1f days simulated", first, seeds, calls, days)


@pytest.mark.parametrize("seed", range(50))
def test_the_invariants_hold_under_schedules_seen_before(seed: int):
    run_seed(seed)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("stop_budget_seconds", [None, 10.0])
def test_the_invariants_hold_in_each_mood(mood: str, stop_budget_seconds: float | None):
    schedule = Schedule(
        7, Bounds(count=200), 1.0, 2000, (Spell("well", 30, 1), Spell(mood, 300, 2)), stop_budget_seconds
    )
    World(schedule).run()


def test_nothing_is_lost_in_an_outage_of_a_day_at_ten_seconds():
    spells = (Spell("well", 60, 1), Spell("refused", 86_400, 2))
    world = World(Schedule(1, Bounds(), 10.0, 2229, spells, None)).run()
    stats = world.delivery.stats()
    assert (stats.delivered, stats.lost) == (world.puts, 0)
    assert world.puts > 8640


@pytest.mark.timeout(SECONDS + 240)
def test_the_invariants_hold_through_weeks_of_mostly_good_weather():
    days = min(365.0, 6.1 * SECONDS)
    weather = random.Random(1)  # noqa: S311 - repeatable on purpose
    spells = tuple(
        Spell(
            weather.choice(list(MOODS)) if weather.random() < 0.05 else "well",
            weather.uniform(0, 2 * 3600),
            weather.getrandbits(32),
        )
        for _hour in range(round(24 * days))
    )
    World(Schedule(1, Bounds(), 60.0, 2229, spells, None)).run()


def test_the_same_schedule_runs_the_same_way():
    schedule = replace(draw_schedule(3), stop_budget_seconds=3.0)
    one, other = World(schedule).run(), World(schedule).run()
    assert (one.now, one.calls, one.delivery.stats()) == (other.now, other.calls, other.delivery.stats())

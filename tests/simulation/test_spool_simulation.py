"""The spool under seeded schedules: troubles of collector and disk, kills in the middle of a write, corruption, stops.

SIMULATION_SECONDS and SIMULATION_SEED as in `test_delivery_simulation.py`.
"""

from __future__ import annotations

import logging
import os
import random
import time

import pytest

from bridge.delivery import Bounds
from tests.simulation.seeds import run_or_shrink
from tests.simulation.spool_schedules import SpoolSchedule, SpoolSpell, draw_spool_schedule, shrink_spool
from tests.simulation.spool_world import SpoolWorld

SECONDS = float(os.environ.get("SIMULATION_SECONDS", "3"))
SEED = os.environ.get("SIMULATION_SEED")

log = logging.getLogger(__name__)


def run_seed(seed: int) -> SpoolWorld:
    return run_or_shrink(
        seed, draw_spool_schedule(seed), lambda schedule: SpoolWorld(schedule).run(), shrink_spool, file=__file__
    )


@pytest.mark.timeout(SECONDS + 120)
def test_the_invariants_hold_under_schedules_never_seen_before():
    if SEED is not None:
        run_seed(int(SEED))
        return
    first = random.SystemRandom().randrange(10**9) if "SIMULATION_SECONDS" in os.environ else 1_000_000
    ends = time.monotonic() + SECONDS
    seeds = lives = found = 0
    while time.monotonic() < ends:
        world = run_seed(first + seeds)
        seeds, lives, found = seeds + 1, lives + world.lives, found + world.found_count
    log.info("seeds from %d: %d schedules, %d lives, %d requests found", first, seeds, lives, found)


@pytest.mark.parametrize("seed", [*range(20), 24, 29, 36, 58, 218, 228, 387, 422, 431, 871, 780520263])
def test_the_invariants_hold_under_schedules_seen_before(seed: int):
    run_seed(seed)


def test_many_kills_in_one_outage_lose_nothing_and_all_arrives_in_order():
    spells = tuple(SpoolSpell("refused", "ok", 30.0 + seed, "kill", seed) for seed in range(20))
    world = SpoolWorld(SpoolSchedule(1, Bounds(), 16 * 1024 * 1024, 1.0, 2229, 3.0, spells)).run()
    assert world.in_order
    # Of each life only what came within a second or so of its first call can be gone.
    assert len(world.bodies) - len(world.arrived) <= 2 * world.lives
    assert world.lives == 21


def test_without_trouble_no_disk_is_touched_beyond_the_start():
    world = SpoolWorld(
        SpoolSchedule(1, Bounds(), 65_536, 1.0, 2229, 3.0, (SpoolSpell("well", "ok", 600.0, "none", 1),))
    )
    world.run()
    assert world.disk.operations == 2
    assert world.disk.files == {}


def test_the_same_schedule_runs_the_same_way():
    one, other = SpoolWorld(draw_spool_schedule(3)).run(), SpoolWorld(draw_spool_schedule(3)).run()
    assert (one.agenda.now, one.arrived, one.disk.files) == (other.agenda.now, other.arrived, other.disk.files)

"""Whole ticks under seeded schedules: what the file held is what arrives, in order; a broken file never looks fresh.

SIMULATION_SECONDS and SIMULATION_SEED as in `test_delivery_simulation.py`; from 60 s on, the long run is a day.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from bridge.freshness import Freshness
from bridge.intake import Intake, News
from bridge.loop import Loop
from tests.simulation.delivery_model import InvariantBrokenError
from tests.simulation.schedules import shrink
from tests.simulation.seeds import run_or_shrink
from tests.simulation.tick_world import TickWorld, draw_tick_schedule

SECONDS = float(os.environ.get("SIMULATION_SECONDS", "3"))
SEED = os.environ.get("SIMULATION_SEED")
HOURS = 0.5

log = logging.getLogger(__name__)


@pytest.fixture(autouse=True)
def _silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "bridge")


def run_seed(seed: int, hours: float = HOURS) -> TickWorld:
    return run_or_shrink(
        seed, draw_tick_schedule(seed, hours), lambda schedule: TickWorld(schedule).run(), shrink, file=__file__
    )


@pytest.mark.timeout(SECONDS + 120)
def test_the_invariants_hold_under_schedules_never_seen_before():
    if SEED is not None:
        run_seed(int(SEED))
        return
    first = random.SystemRandom().randrange(10**9) if "SIMULATION_SECONDS" in os.environ else 1_000_000
    ends = time.monotonic() + SECONDS
    seeds = ticks = 0
    while time.monotonic() < ends:
        world = run_seed(first + seeds)
        seeds, ticks = seeds + 1, ticks + world.ticks
    log.info("seeds from %d: %d schedules, %d ticks", first, seeds, ticks)


@pytest.mark.timeout(SECONDS + 240)
def test_the_invariants_hold_through_hours_of_ticks():
    hours = min(24.0, 0.4 * SECONDS)
    world = run_seed(1, hours)
    assert world.ticks >= 360 * hours
    assert len(world.arrived) == world.handed_over


def test_the_same_schedule_runs_the_same_way():
    one, other = run_seed(3), run_seed(3)
    assert (one.agenda.now, one.arrived, one.transport.calls) == (
        other.agenda.now,
        other.arrived,
        other.transport.calls,
    )


# Defects


class ShowsItsLastValuesForEver(Loop):
    def tick(self) -> None:
        self._read()
        self._send()


class SendsOnlyNews(Loop):
    def tick(self) -> None:
        new = self.reads["new"]
        self._read()
        self._gauges_live = self._freshness.live(self._clock.monotonic())
        if self.reads["new"] > new:
            self._send()


class DiesOfAFolder(Loop):
    def _read(self) -> None:
        super()._read()
        if self.reads["not-a-file"]:
            raise IsADirectoryError


class TakesTheSameAgain(Intake):
    """A reading that has not changed is taken for news."""

    _last: News | None = None

    def take(self, *, last: bool = False) -> News | None:
        news = super().take(last=last)
        self._last = news or self._last
        return self._last


def recounts(**parts: Any) -> Loop:  # noqa: ANN401 - the parts of a loop
    intake = parts.pop("intake")
    return Loop(intake=TakesTheSameAgain(intake._metrics_file, intake._parse, intake._sleep), **parts)


def ends_gauges_at_the_first_slip(**parts: Any) -> Loop:  # noqa: ANN401 - as above
    parts["freshness"] = Freshness(interval_seconds=0.0, stale_after_seconds=60.0, repeats=parts["repeats"])
    return Loop(**parts)


def loses_a_request(**parts: Any) -> Loop:  # noqa: ANN401 - as above
    hand_over, handed_over = parts.pop("hand_over"), []

    def forgetful(encoded: bytes) -> None:
        handed_over.append(encoded)
        if len(handed_over) != 7:
            hand_over(encoded)

    return Loop(hand_over=forgetful, **parts)


def sends_backwards(**parts: Any) -> Loop:  # noqa: ANN401 - as above
    hand_over, held = parts.pop("hand_over"), [b""]

    def one_late(encoded: bytes) -> None:
        hand_over(encoded)
        if held[0]:
            hand_over(held[0])
        held[0] = encoded

    return Loop(hand_over=one_late, **parts)


DEFECTS: dict[Callable[..., Loop], str] = {
    ShowsItsLastValuesForEver: "looks fresh",
    SendsOnlyNews: "a tick without exactly one request",
    DiesOfAFolder: "a tick broke off",
    recounts: "a reading not counted exactly once",
    ends_gauges_at_the_first_slip: "a good file, and no gauge",
    loses_a_request: "a tick without exactly one request",
    sends_backwards: "a tick without exactly one request",
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_the_simulation_finds(defect: Callable[..., Loop]):
    for seed in range(40):
        try:
            TickWorld(draw_tick_schedule(seed, HOURS), defect).run()
        except InvariantBrokenError as broken:
            assert DEFECTS[defect] in str(broken)  # noqa: PT017 - most seeds raise nothing
            return
    pytest.fail(f"{defect.__name__} was not found")

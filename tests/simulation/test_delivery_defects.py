"""The simulation's proof of itself: deliberate defects in delivery, each of which it must find."""

from __future__ import annotations

from random import Random

import pytest

from bridge.delivery import Bounds, Delivery, Done, Send, Wait
from bridge.otlp import Delivered, Outcome
from bridge.outbox import QUEUE_FULL, REFUSED, Outbox, Request
from tests.simulation.delivery_model import InvariantBrokenError
from tests.simulation.delivery_world import World
from tests.simulation.schedules import draw_schedule

SEEDS_MAX = 300


class LosesWhatWasInFlight(Delivery):
    """A failed call's requests are gone."""

    def _was_put_off(self, not_before: float) -> None:
        self._outbox.acknowledge()
        super()._was_put_off(not_before)


class PutsBackAsTheNewest(Delivery):
    def _was_put_off(self, not_before: float) -> None:
        self._outbox._waiting.extend(self._outbox.in_flight)
        self._outbox.in_flight = ()
        super()._was_put_off(not_before)


class PutsBackInReverse(Delivery):
    def _was_put_off(self, not_before: float) -> None:
        self._outbox._waiting.extendleft(self._outbox.in_flight)
        self._outbox.in_flight = ()
        super()._was_put_off(not_before)


class SendsTheNewestFirst(Delivery):
    def next_step(self, now: float) -> Send | Wait | Done:
        self._outbox._waiting.rotate(1)
        return super().next_step(now)


class SendsADeliveredBatchAgain(Delivery):
    def _was_delivered(self, result: Delivered, now: float) -> None:
        again = self._outbox.in_flight
        super()._was_delivered(result, now)
        self._outbox._waiting.extendleft(reversed(again))


class DropsWithoutCounting(Delivery):
    def put(self, request: Request, now: float) -> None:
        super().put(request, now)
        self._outbox.dropped_counts[QUEUE_FULL] = 0


class DropsTheNewest(Delivery):
    def put(self, request: Request, now: float) -> None:
        if len(self._outbox) >= self._outbox.count_max:
            self._outbox.put_count += 1
            self._outbox.dropped_counts[QUEUE_FULL] += 1
        else:
            super().put(request, now)


class _ForgetsFlight(Outbox):
    def _over_bounds(self) -> bool:
        return len(self._waiting) > self.count_max or self.cost_bytes > self.bytes_max


class _ForgetsBytes(Outbox):
    def _over_bounds(self) -> bool:
        return len(self) > self.count_max


class CountsNotWhatIsInFlight(Delivery):
    def __init__(self, bounds: Bounds, random: Random) -> None:
        super().__init__(bounds, random)
        self._outbox = _ForgetsFlight(bounds.count, bounds.bytes)


class HasNoBoundInBytes(Delivery):
    def __init__(self, bounds: Bounds, random: Random) -> None:
        super().__init__(bounds, random)
        self._outbox = _ForgetsBytes(bounds.count, bounds.bytes)


class CallsWithoutPause(Delivery):
    def _reconnect_pause(self) -> float:
        return 0.0


class PausesWithoutJitter(Delivery):
    def _reconnect_pause(self) -> float:
        return 1.0


class BacksOffForEver(Delivery):
    """As a stock gRPC channel does: each lost connection doubles the pause."""

    def _reconnect_pause(self) -> float:
        return super()._reconnect_pause() * 2.0 ** min(self._failures, 20)


class IgnoresRetryInfo(Delivery):
    def _busy_pause(self, after_seconds: float | None) -> float:  # noqa: ARG002 - the defect
        return super()._busy_pause(None)


class ObeysRetryInfoWithoutBound(Delivery):
    def _busy_pause(self, after_seconds: float | None) -> float:
        return super()._busy_pause(None) if after_seconds is None else after_seconds


class CallsAtOnceWhenSomethingIsPut(Delivery):
    def put(self, request: Request, now: float) -> None:
        super().put(request, now)
        self._not_before = now


class DripsTheBacklog(Delivery):
    """A pause after each delivery, too."""

    def _was_delivered(self, result: Delivered, now: float) -> None:
        super()._was_delivered(result, now)
        self._not_before = now + 1.0


class SendsAllAtOnce(Delivery):
    def __init__(self, bounds: Bounds, random: Random) -> None:
        super().__init__(bounds._replace(batch_bytes=10**9), random)


class DropsARefusedRunWhole(Delivery):
    def _was_refused(self, now: float) -> None:
        while len(self._outbox.in_flight) > 1:
            self._outbox.put_back()
            self._outbox.drop_oldest(REFUSED)
            self._outbox.take(len(self._outbox), 10**9)
        super()._was_refused(now)


class NeverHalves(Delivery):
    def _was_refused(self, now: float) -> None:
        width = self._width
        super()._was_refused(now)
        self._width = width


class RetriesWhatWasRefused(Delivery):
    def _was_refused(self, now: float) -> None:
        self._was_put_off(now + self._reconnect_pause())


class StormsARefusingCollector(Delivery):
    def _was_refused(self, now: float) -> None:
        self._refusals = 0
        super()._was_refused(now)


class WaitsOutThePauseAtShutdown(Delivery):
    def stop(self, now: float, budget_seconds: float) -> None:
        not_before = self._not_before
        super().stop(now, budget_seconds)
        self._not_before = not_before


class DrainsWithoutBudget(Delivery):
    def stop(self, now: float, budget_seconds: float) -> None:
        super().stop(now, budget_seconds + 20)


class KeepsTheDeadlineOfTheCallInFlight(Delivery):
    def call_ends_at(self) -> float:
        return self._call_ends_at


class GivesUpAtTheFirstFailureOfTheDrain(Delivery):
    def _drain_is_over(self, now: float) -> bool:
        return super()._drain_is_over(now) or (self._drain_ends_at is not None and self._failures > 0)


class LeavesWithoutCounting(Delivery):
    def abandon(self) -> None:
        self._outbox._waiting.clear()
        super().abandon()


class WaitsForNothing(Delivery):
    """The spin: a wait of no length instead of the call."""

    def next_step(self, now: float) -> Send | Wait | Done:
        step = super().next_step(now)
        return Wait(0.0) if isinstance(step, Wait) and step.seconds is not None else step


class SleepsWithWorkToDo(Delivery):
    """The lost wake-up: a pause that only a put ends."""

    def next_step(self, now: float) -> Send | Wait | Done:
        step = super().next_step(now)
        return Wait(None) if isinstance(step, Wait) else step


class LetsABreakBlockTheQueueForEver(Delivery):
    def _was_broken(self, now: float) -> None:
        self._breaks = 0
        super()._was_broken(now)


class CountsPartialSuccessAsLoss(Delivery):
    def outcome(self, result: Outcome, now: float) -> None:  # type: ignore[override]  # Broken passes through as well
        count = len(self._outbox.in_flight)
        super().outcome(result, now)
        if isinstance(result, Delivered) and result.rejected_points:
            self._outbox.delivered_count -= count
            self._outbox.dropped_counts[REFUSED] += count


ORDER = "a call does not carry the oldest in their order"
COUNTED = "a request is neither here nor counted"
FIGURES = "not what happened"
TOO_EARLY = "a call before its pause was over"
WRONG_PAUSE = "a pause of a wrong length"

DEFECTS: dict[type[Delivery], str] = {
    LosesWhatWasInFlight: FIGURES,
    PutsBackAsTheNewest: ORDER,
    PutsBackInReverse: ORDER,
    SendsTheNewestFirst: ORDER,
    SendsADeliveredBatchAgain: COUNTED,
    DropsWithoutCounting: COUNTED,
    DropsTheNewest: FIGURES,
    CountsNotWhatIsInFlight: "more requests than the bound",
    HasNoBoundInBytes: "more bytes than the bound",
    CallsWithoutPause: TOO_EARLY,
    PausesWithoutJitter: "pauses without jitter",
    BacksOffForEver: WRONG_PAUSE,
    IgnoresRetryInfo: WRONG_PAUSE,
    ObeysRetryInfoWithoutBound: TOO_EARLY,
    CallsAtOnceWhenSomethingIsPut: TOO_EARLY,
    DripsTheBacklog: WRONG_PAUSE,
    SendsAllAtOnce: "a call is larger than its bound",
    DropsARefusedRunWhole: FIGURES,
    NeverHalves: "a refused run was not halved",
    RetriesWhatWasRefused: FIGURES,
    StormsARefusingCollector: TOO_EARLY,
    WaitsOutThePauseAtShutdown: WRONG_PAUSE,
    DrainsWithoutBudget: "beyond the budget",
    KeepsTheDeadlineOfTheCallInFlight: "beyond the budget",
    GivesUpAtTheFirstFailureOfTheDrain: "it gave up before the budget was spent",
    LeavesWithoutCounting: COUNTED,
    WaitsForNothing: "a wait of no length",
    SleepsWithWorkToDo: "it waits for a put although something is here",
    LetsABreakBlockTheQueueForEver: FIGURES,
    CountsPartialSuccessAsLoss: FIGURES,
}
"""What each breaks, in the words of the invariant that must find it: another one would be an accident."""


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_the_simulation_finds(defect: type[Delivery]):
    for seed in range(SEEDS_MAX):
        try:
            World(draw_schedule(seed), defect).run()
        except InvariantBrokenError as broken:
            assert DEFECTS[defect] in str(broken)  # noqa: PT017 - most seeds raise nothing
            return
    pytest.fail(f"{SEEDS_MAX} schedules ran, and {defect.__name__} was not found")

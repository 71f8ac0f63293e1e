"""A world on fake time around the rules of delivery: a job that puts, a collector with moods, a stop at any moment.

`World` plays the sender's part of the contract, compares each step with the model, and raises `InvariantBrokenError` at
the first one that differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from bridge.delivery import RESOLUTION_SECONDS, Bounds, Delivery, Done, Send, Wait
from bridge.otlp import Unreachable
from bridge.outbox import Request
from tests.simulation.collector_moods import MOODS, Reply
from tests.simulation.delivery_model import InvariantBrokenError, Model
from tests.simulation.schedules import Schedule

SLACK_SECONDS = RESOLUTION_SECONDS + 1e-6
RECOVERY_SECONDS = 300.0
"""After the last spell the collector is well for so long, and everything must have left."""


class World:
    """Runs one schedule. ``make`` builds the delivery under test."""

    def __init__(self, schedule: Schedule, make: Callable[[Bounds, Random], Delivery] = Delivery) -> None:
        self.schedule = schedule
        self.delivery = make(schedule.bounds, Random(schedule.seed))  # noqa: S311 - jitter
        self.model = Model(schedule.bounds)
        self.random = Random(schedule.seed + 1)  # noqa: S311 - repeatable on purpose
        self.spells = iter(schedule.spells)
        self.spell_ends = 0.0
        self.mood, self.mood_random = "well", self.random
        self.now = 0.0
        self.next_put = 0.0
        self.spells_end = sum(spell.seconds for spell in schedule.spells)
        self.stop_at = self.spells_end if schedule.stop_budget_seconds is not None else math.inf
        self.ends = self.spells_end + RECOVERY_SECONDS
        self.calls = self.turns = self.puts = self.stops = 0
        self.pauses: list[float] = []

    def run(self) -> World:
        """Go to the end.

        Raises:
            InvariantBrokenError: with the time and what was not as it must be.
        """
        try:
            while self.now < self.ends and self._turn():
                pass
            self._check_end()
        except InvariantBrokenError as broken:
            raise InvariantBrokenError(f"at {self.now:.3f} s: {broken}") from None
        return self

    # The sender's part: ask, send or wait, tell.

    def _turn(self) -> bool:
        self.turns += 1
        self._demand(self.turns <= 3 * (self.calls + self.puts + self.stops + 2), "a wake-up storm")
        step = self.delivery.next_step(self.now)
        if isinstance(step, Done):
            self._check_done()
        elif isinstance(step, Wait):
            self._check_wait(step)
            self._let_pass(math.inf if step.seconds is None else self.now + step.seconds, woken=step.seconds is None)
            return True
        else:
            self._check_send(step)
            self._call(step)
        self._check_figures()
        return not isinstance(step, Done)

    def _let_pass(self, until: float, *, woken: bool) -> None:
        """Time goes on to ``until``, or to the first thing that wakes: a put where one is waited for, a stop always."""
        until = min(until, self.ends)
        while min(self.next_put, self.stop_at) <= until:
            self.now = max(self.now, min(self.next_put, self.stop_at))
            if self.stop_at <= self.next_put:
                self._stop()
                return
            self._put()
            if woken:
                return
        self.now = max(self.now, until)

    def _put(self) -> None:
        self.puts += 1
        raw_bytes = self.random.randint(1, self.schedule.raw_bytes_max)
        request = Request(self.puts, bytes(raw_bytes // 3), raw_bytes)
        self.next_put += self.schedule.put_seconds
        if self.next_put > self.spells_end:
            self.next_put = math.inf
        if not self.model.waiting:
            self.model.latest = max(self.model.latest, self.now)
        self.delivery.put(request, self.now)
        self.model.put(request)
        self._check_figures()

    def _stop(self) -> None:
        self.stops += 1
        budget = self.schedule.stop_budget_seconds or 0.0
        self.delivery.stop(self.now, budget)
        self.model.drain_ends = self.now + budget
        self.model.earliest = self.model.latest = self.now
        self.model.refusals = 0
        self.stop_at = math.inf

    def _call(self, step: Send) -> None:
        self.calls += 1
        self.model.take(len(step.requests))
        reply = self._answer(step)
        outcome, seconds, arrives = reply.outcome, reply.seconds, reply.arrives
        began, ends = self.now, min(self.now + seconds, self.now + step.timeout_seconds)
        stopped = self.stops
        self._let_pass_in_call(ends)
        if self.now < began + seconds:  # the deadline came first
            outcome, arrives = Unreachable("no answer in time", may_have_arrived=True), arrives and seconds < math.inf
        self._demand(
            self.now <= began + self.schedule.bounds.call_seconds + SLACK_SECONDS, "a call beyond its deadline"
        )
        if self.stops > stopped:
            self._demand(self.delivery.call_ends_at() <= self.model.drain_ends, "a call may go on beyond the budget")
        if arrives:
            self.model.arrive()
        self.delivery.outcome(outcome, self.now)
        self.model.land(outcome, self.now)

    def _let_pass_in_call(self, ends: float) -> None:
        while min(self.next_put, self.stop_at) <= ends:
            stop = self.stop_at <= self.next_put
            self._let_pass(min(self.next_put, self.stop_at), woken=True)
            if stop:
                ends = min(ends, max(self.now, self.delivery.call_ends_at()))
        self.now = max(self.now, min(ends, self.ends))

    # The collector's part.

    def _answer(self, step: Send) -> Reply:
        while self.now >= self.spell_ends:
            self._next_spell()
        return MOODS[self.mood](self.mood_random, step.requests)

    def _next_spell(self) -> None:
        spell = next(self.spells, None)
        if spell is None:  # after a stop the last mood goes on; without one the collector is well again
            self.mood = self.mood if self.stops else "well"
            self.spell_ends = math.inf
        else:
            self.mood = spell.mood
            self.mood_random = Random(spell.seed)  # noqa: S311 - a spell's own, so that it is the same among others
            self.spell_ends += spell.seconds

    # What must hold.

    def _demand(self, holds: bool, what: str) -> None:
        if not holds:
            raise InvariantBrokenError(what)

    def _check_send(self, step: Send) -> None:
        model, sent = self.model, step.requests
        self._demand(bool(sent), "an empty call")
        same = all(one is other for one, other in zip(sent, model.waiting, strict=False))
        self._demand(same and len(sent) <= len(model.waiting), "a call does not carry the oldest in their order")
        raw_bytes = sum(request.raw_bytes for request in sent)
        self._demand(len(sent) == 1 or raw_bytes <= model.bounds.batch_bytes, "a call is larger than its bound")
        self._demand(self.now >= model.earliest - SLACK_SECONDS, "a call before its pause was over")
        self._demand(self.now <= model.latest + SLACK_SECONDS, "a call later than its pause allows")
        self._demand(len(sent) <= (model.largest_next or len(sent)), "a refused run was not halved")
        ends = self.now + step.timeout_seconds
        self._demand(0 < step.timeout_seconds <= model.bounds.call_seconds + 1e-6, "a call without its deadline")
        self._demand(ends <= model.drain_ends + 1e-6, "a call of the drain beyond the budget")

    def _check_wait(self, step: Wait) -> None:
        model = self.model
        if step.seconds is None:
            self._demand(not model.waiting, "it waits for a put although something is here")
            self._demand(not self.stops, "it waits for ever in the drain")
            return
        self._demand(step.seconds > RESOLUTION_SECONDS, "a wait of no length")
        until = self.now + step.seconds
        self._demand(
            model.earliest - SLACK_SECONDS <= until <= model.latest + SLACK_SECONDS, "a pause of a wrong length"
        )
        self._demand(until < model.drain_ends + SLACK_SECONDS, "a pause beyond the budget of the drain")
        if model.earliest < model.latest:
            self.pauses.append(step.seconds)

    def _check_done(self) -> None:
        model = self.model
        self._demand(bool(self.stops), "done without a stop")
        self._demand(self.now <= model.drain_ends + SLACK_SECONDS, "the drain took longer than its budget")
        if model.waiting:
            # With time for another try it must not give up. The latest is where the jitter may have put it.
            in_vain = max(self.now, model.latest) + SLACK_SECONDS >= model.drain_ends
            self._demand(in_vain, "it gave up before the budget was spent")
        self.delivery.abandon()
        model.end()

    def _check_figures(self) -> None:
        model, stats = self.model, self.delivery.stats()
        self._demand(stats.queue_count <= model.bounds.count, "more requests than the bound")
        self._demand(stats.queue_bytes <= model.bounds.bytes, "more bytes than the bound")
        self._demand(
            stats.put == stats.delivered + stats.lost + stats.queue_count, "a request is neither here nor counted"
        )
        seen = (stats.put, stats.delivered, stats.queue_count, stats.queue_bytes, stats.rejected_points, stats.dropped)
        true = (model.put_count, model.delivered, model.count, model.bytes, model.rejected_points, model.dropped)
        if seen != true:
            raise InvariantBrokenError(f"the figures {seen} are not what happened: {true}")

    def _check_end(self) -> None:
        self._demand(len(self.pauses) < 10 or len(set(self.pauses)) > 1, "pauses without jitter")
        if self.schedule.stop_budget_seconds is None:
            self._demand(self.model.count == 0, "the collector was well for long, and something is still here")
        else:
            self._demand(bool(self.stops) and self.model.count == 0, "stopped, and not done")

from __future__ import annotations

import math
from random import Random

import pytest

from bridge.delivery import Bounds, Broken, Delivery, Done, Send, Wait, Waiting
from bridge.otlp import Busy, Delivered, Refused, Unreachable
from bridge.outbox import INTERNAL_ERROR, QUEUE_FULL, REFUSED, REQUEST_OVERHEAD_BYTES, SHUTDOWN, Request

REFUSED_CONNECTION = Unreachable("connection refused", may_have_arrived=False)
LOST_ANSWER = Unreachable("no answer by the deadline", may_have_arrived=True)
POISON = Refused("INVALID_ARGUMENT: no", "INVALID_ARGUMENT")


class Rig:
    """A delivery, a clock of its own, and the shortest way to say what happens."""

    def __init__(self, bounds: Bounds | None = None, seed: int = 1) -> None:
        self.delivery = Delivery(bounds or Bounds(), Random(seed))  # noqa: S311 - jitter, no secret
        self.now = 1000.0
        self.number = 0

    def put(self, count: int = 1, raw_bytes: int = 1000) -> Rig:
        for _ in range(count):
            self.number += 1
            self.delivery.put(Request(self.number, bytes(100), raw_bytes), self.now)
        return self

    def send(self) -> list[int]:
        step = self.delivery.next_step(self.now)
        assert isinstance(step, Send), step
        return [request.number for request in step.requests]

    def wait(self) -> float | None:
        step = self.delivery.next_step(self.now)
        assert isinstance(step, Wait), step
        return step.seconds

    def pause(self) -> float:
        """Go through the pause that is in force."""
        seconds = self.wait()
        assert seconds is not None
        self.now += seconds
        return seconds

    def tell(self, outcome: Delivered | Unreachable | Busy | Refused | Broken) -> None:
        self.delivery.outcome(outcome, self.now)

    def ended(self) -> Rig:
        """Go on to the end, as the sender does: done, then everything is counted."""
        assert self.delivery.next_step(self.now) == Done()
        self.delivery.abandon()
        return self

    def dropped(self, reason: str) -> int:
        return self.delivery.stats().dropped[reason]


# What leaves, and when


def test_with_nothing_to_send_it_waits_for_a_put():
    assert Rig().wait() is None


def test_what_is_put_leaves_at_once_and_in_order():
    rig = Rig().put(3)
    assert rig.send() == [1, 2, 3]


def test_a_call_has_the_default_deadline_of_ten_seconds():
    step = Rig().put().delivery.next_step(1000.0)
    assert isinstance(step, Send)
    assert step.timeout_seconds == 10.0


def test_a_backlog_leaves_in_runs_of_up_to_256_kib():
    rig = Rig().put(300, raw_bytes=1024)
    assert rig.send() == list(range(1, 257))
    rig.tell(Delivered())
    assert rig.send() == list(range(257, 301))


def test_a_second_step_before_the_outcome_is_a_programming_error():
    rig = Rig().put()
    rig.send()
    with pytest.raises(RuntimeError, match="in flight"):
        rig.delivery.next_step(rig.now)


def test_a_partial_success_is_a_delivery_and_its_points_are_counted():
    rig = Rig().put()
    rig.send()
    rig.tell(Delivered(rejected_points=4, message="too old"))
    stats = rig.delivery.stats()
    assert (stats.delivered, stats.rejected_points, stats.lost) == (1, 4, 0)


def test_a_day_at_ten_seconds_fits_in_the_default_bounds():
    delivery = Delivery(Bounds(), Random(1))  # noqa: S311 - jitter
    for number in range(8640):
        delivery.put(Request(number, bytes(750), 2229), 0.0)
    assert delivery.stats().queue_count == 8640
    assert delivery.stats().lost == 0


def test_the_default_bounds_are_ten_thousand_requests_and_ten_mebibytes():
    stats = Rig().put(10_001).delivery.stats()
    assert (stats.queue_count, stats.queue_count_max, stats.dropped[QUEUE_FULL]) == (10_000, 10_000, 1)
    assert stats.queue_bytes_max == 10 * 2**20
    assert stats.queue_bytes == 10_000 * (100 + REQUEST_OVERHEAD_BYTES)


# A lost connection


@pytest.mark.parametrize("outcome", [REFUSED_CONNECTION, LOST_ANSWER])
def test_a_lost_connection_is_tried_again_after_about_a_second(outcome: Unreachable):
    pauses = []
    for seed in range(200):
        rig = Rig(seed=seed).put()
        rig.send()
        rig.tell(outcome)
        pauses.append(rig.pause())
        assert rig.send() == [1]
    assert 0.8 <= min(pauses) < 0.85
    assert 1.15 < max(pauses) <= 1.2


def test_the_pause_does_not_grow_with_the_length_of_an_outage():
    rig = Rig().put()
    for _ in range(1000):
        rig.send()
        rig.tell(REFUSED_CONNECTION)
        assert rig.pause() <= 1.2


def test_a_put_does_not_shorten_the_pause():
    rig = Rig().put()
    rig.send()
    rig.tell(REFUSED_CONNECTION)
    before = rig.wait()
    assert rig.put(5).wait() == before


def test_in_an_outage_one_request_alone_probes():
    rig = Rig().put(100)
    assert len(rig.send()) == 100
    rig.tell(LOST_ANSWER)
    rig.pause()
    assert rig.send() == [1]


def test_the_backlog_goes_without_pauses_once_the_probe_arrived_doubling_each_time():
    rig = Rig().put(100)
    rig.send()
    rig.tell(LOST_ANSWER)
    rig.pause()
    widths = []
    while rig.delivery.stats().queue_count:
        widths.append(len(rig.send()))
        rig.tell(Delivered())
    assert widths == [1, 2, 4, 8, 16, 32, 37]


def test_what_overflows_while_a_call_is_in_flight_is_taken_from_what_waits():
    rig = Rig(Bounds(count=4, batch_bytes=2000)).put(4)
    assert rig.send() == [1, 2]
    rig.put(3)
    rig.tell(REFUSED_CONNECTION)
    rig.pause()
    sent = []
    while rig.delivery.stats().queue_count:
        sent += rig.send()
        rig.tell(Delivered())
    assert (sent, rig.dropped(QUEUE_FULL)) == ([1, 2, 6, 7], 3)


# Answers that ask for patience


def busy_pauses(outcome: Busy, count: int, seed: int = 1) -> list[float]:
    rig = Rig(seed=seed).put()
    pauses = []
    for _ in range(count):
        rig.send()
        rig.tell(outcome)
        pauses.append(rig.pause())
    return pauses


def test_busy_backs_off_to_five_seconds_with_jitter():
    for seed in range(100):
        pauses = busy_pauses(Busy("UNAVAILABLE"), 50, seed)
        for pause, ceiling in zip(pauses, [1.0, 2.0, 4.0] + [5.0] * 47, strict=True):
            assert ceiling / 2 <= pause <= ceiling


@pytest.mark.parametrize("asked", [0.7, 3.0, 30.0])
def test_retry_info_is_obeyed_with_up_to_a_tenth_more(asked: float):
    assert all(asked <= pause <= 1.1 * asked for pause in busy_pauses(Busy("UNAVAILABLE", asked), 20))


@pytest.mark.parametrize("asked", [60.0, 3600.0, math.inf])
def test_retry_info_cannot_silence_the_bridge_for_more_than_a_minute(asked: float):
    assert busy_pauses(Busy("RESOURCE_EXHAUSTED", asked), 5) == [60.0] * 5


@pytest.mark.parametrize("asked", [0.0, -5.0, math.nan, 1e-9])
def test_retry_info_cannot_make_a_tight_loop(asked: float):
    assert all(0.5 <= pause <= 0.55 for pause in busy_pauses(Busy("UNAVAILABLE", asked), 20))


def test_after_a_delivery_the_back_off_starts_anew():
    rig = Rig().put(2)
    for _ in range(6):
        rig.send()
        rig.tell(Busy("UNAVAILABLE"))
        rig.pause()
    rig.send()
    rig.tell(Delivered())
    rig.send()
    rig.tell(Busy("UNAVAILABLE"))
    assert rig.pause() <= 1.0


# Refused for good


def calls_until_empty(rig: Rig, poison: set[int]) -> tuple[list[int], int]:
    """Deliver all but the poison; what was delivered, and how many calls it took."""
    delivered, calls = [], 0
    while rig.delivery.stats().queue_count:
        batch = rig.send()
        calls += 1
        if poison & set(batch):
            rig.tell(POISON)
        else:
            delivered += batch
            rig.tell(Delivered())
    return delivered, calls


@pytest.mark.parametrize("bad", [1, 2, 100, 199, 200])
def test_a_bad_request_is_found_by_halving_dropped_and_counted_and_the_next_goes_on(bad: int):
    rig = Rig().put(200)
    delivered, calls = calls_until_empty(rig, {bad})
    assert delivered == [number for number in range(1, 201) if number != bad]
    assert (rig.dropped(REFUSED), rig.delivery.stats().lost) == (1, 1)
    assert calls <= 25  # 8 halvings there, as many doublings back, and some


def test_once_the_first_half_is_delivered_the_other_is_halved_too():
    rig = Rig().put(8)
    sent = []
    while rig.delivery.stats().queue_count:
        sent.append(rig.send())
        rig.tell(POISON if 8 in sent[-1] else Delivered())
    assert sent == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [5, 6], [7], [8]]


def test_several_bad_requests_are_each_found():
    rig = Rig().put(200)
    delivered, _ = calls_until_empty(rig, {3, 4, 77, 200})
    assert (len(delivered), rig.dropped(REFUSED)) == (196, 4)


def test_a_collector_that_refuses_everything_is_not_called_in_a_tight_loop():
    rig = Rig().put(2000)
    calls = 0
    ends = rig.now + 60
    while rig.now < ends:
        step = rig.delivery.next_step(rig.now)
        if isinstance(step, Wait):
            rig.pause()
        else:
            calls += 1
            rig.tell(POISON)
    assert calls <= 16 + 60 / 0.8 + 1
    assert rig.dropped(REFUSED) > 40


def test_refusals_are_paced_from_the_seventeenth_in_a_row_on():
    rig = Rig().put(2000)
    calls = 0
    while isinstance(rig.delivery.next_step(rig.now), Send):
        calls += 1
        rig.tell(POISON)
    assert calls == 17  # Bounds.refusals_at_once, and the one after which there is a pause
    assert 0.8 <= rig.pause() <= 1.2


def test_after_a_bad_request_was_found_each_delivery_doubles_what_leaves_together():
    rig = Rig().put(64)
    while rig.send() != [1]:
        rig.tell(POISON)
    rig.tell(POISON)
    widths = []
    while rig.delivery.stats().queue_count:
        widths.append(len(rig.send()))
        rig.tell(Delivered())
    assert widths == [1, 2, 4, 8, 16, 32]


# Our own code breaks


def test_an_error_of_our_own_is_retried_about_a_second_later():
    rig = Rig().put(2)
    rig.send()
    rig.tell(Broken("KeyError: 1"))
    assert 0.8 <= rig.pause() <= 1.2
    assert rig.send() == [1]


def test_a_request_that_always_breaks_our_code_does_not_block_the_queue_for_ever():
    rig = Rig().put(2)
    for _ in range(31):
        rig.send()
        rig.tell(Broken("zlib.error"))
        rig.pause()
    assert rig.dropped(INTERNAL_ERROR) == 1
    assert rig.send() == [2]
    rig.tell(Delivered())
    assert rig.delivery.stats().calls == {"INTERNAL_ERROR": 31, "OK": 1}


def test_an_error_between_calls_is_counted():
    rig = Rig()
    rig.tell(Broken("OSError"))
    assert rig.delivery.stats().calls == {"INTERNAL_ERROR": 1}
    assert rig.wait() is None


# What the spool is told


def numbers(rig: Rig, newer_than: int = 0) -> list[int]:
    return [request.number for request in rig.delivery.waiting(newer_than).newer]


def test_before_anything_was_put_nothing_is_endangered_and_nothing_gone():
    assert Rig().delivery.waiting(0) == (False, (), 0)


def test_what_waits_is_endangered_from_a_failed_call_on_until_a_call_carried_all_of_it():
    rig = Rig(Bounds(batch_bytes=3000)).put(4)
    assert (rig.delivery.waiting(0).endangered, numbers(rig)) == (False, [])
    rig.send()
    rig.tell(REFUSED_CONNECTION)
    assert (rig.delivery.waiting(0).endangered, numbers(rig), numbers(rig, 2)) == (True, [1, 2, 3, 4], [3, 4])
    rig.pause()
    for carried, endangered, gone_through in (([1], True, 1), ([2, 3], True, 3), ([4], False, 4)):
        assert rig.send() == carried
        rig.tell(Delivered())
        assert rig.delivery.waiting(0)[::2] == (endangered, gone_through)


def test_what_was_put_during_the_call_that_carried_all_else_is_carried_by_the_next():
    rig = Rig().put()
    rig.send()
    rig.tell(REFUSED_CONNECTION)
    rig.pause()
    rig.send()
    rig.put()
    rig.tell(Delivered())
    assert (rig.delivery.waiting(0).endangered, numbers(rig)) == (False, [])


@pytest.mark.parametrize(("seconds", "endangered"), [(0.89, False), (0.91, True)])
def test_a_call_that_takes_nine_tenths_of_a_second_endangers_what_is_put_then(seconds: float, endangered: bool):
    rig = Rig().put()
    rig.send()
    rig.now += seconds
    rig.put()
    assert (rig.delivery.waiting(0).endangered, numbers(rig)) == (endangered, [1, 2] if endangered else [])


def test_a_put_between_calls_endangers_nothing_however_long_ago_the_last_one_began():
    rig = Rig().put()
    rig.send()
    rig.tell(Delivered())
    rig.now += 60
    assert not rig.put().delivery.waiting(0).endangered


def test_refused_for_good_and_nothing_left_is_no_danger():
    rig = Rig().put()
    rig.send()
    rig.tell(POISON)
    assert rig.delivery.waiting(0) == (False, (), 1)


def restored(*numbers: int) -> list[Request]:
    return [Request(number, bytes(100), 1000) for number in numbers]


def test_what_an_earlier_run_left_behind_goes_first_and_is_counted():
    rig = Rig().put(2)
    rig.delivery.restore(restored(-1, 0))
    assert rig.delivery.waiting(0).gone_through == -2
    assert rig.send() == [-1, 0, 1, 2]
    stats = rig.delivery.stats()
    assert (stats.put, stats.restored, stats.in_flight) == (4, 2, 4)


def test_nothing_leaves_while_what_was_left_behind_is_still_being_read():
    rig = Rig().put()
    rig.delivery.hold(rig.now, 5.0)
    assert (rig.wait(), rig.delivery.stats().next_attempt_at) == (5.0, rig.now + 5.0)
    rig.now += 2
    assert rig.wait() == 3.0
    rig.delivery.restore(restored(0))
    assert rig.send() == [0, 1]


def test_reading_what_was_left_behind_cannot_hold_for_longer_than_it_was_given():
    rig = Rig().put()
    rig.delivery.hold(rig.now, 5.0)
    rig.pause()
    assert rig.send() == [1]


# Shutdown


def test_stop_with_nothing_left_is_done_at_once():
    rig = Rig()
    rig.delivery.stop(rig.now, 10)
    assert rig.delivery.next_step(rig.now) == Done()


def test_stop_ends_a_pause():
    rig = Rig().put()
    rig.send()
    rig.tell(Busy("RESOURCE_EXHAUSTED", 30.0))
    assert (rig.wait() or 0) > 29
    rig.delivery.stop(rig.now, 10)
    assert rig.send() == [1]
    rig.tell(Delivered())
    assert rig.delivery.next_step(rig.now) == Done()


def test_stop_shortens_the_call_in_flight_to_the_budget():
    rig = Rig().put()
    rig.send()
    assert rig.delivery.call_ends_at() == rig.now + 10
    rig.delivery.stop(rig.now + 1, 3)
    assert rig.delivery.call_ends_at() == rig.now + 4


def test_stop_does_not_lengthen_the_call_in_flight():
    rig = Rig().put()
    rig.send()
    rig.delivery.stop(rig.now + 1, 60)
    assert rig.delivery.call_ends_at() == rig.now + 10


def test_with_the_collector_away_the_drain_tries_about_once_a_second_and_ends_in_its_budget():
    rig = Rig().put(5)
    began = rig.now
    rig.delivery.stop(rig.now, 10)
    attempts = 0
    while not isinstance(step := rig.delivery.next_step(rig.now), Done):
        if isinstance(step, Wait):
            rig.pause()
        else:
            attempts += 1
            rig.tell(REFUSED_CONNECTION)
    assert rig.now - began <= 10
    assert 8 <= attempts <= 13
    rig.delivery.abandon()
    assert rig.dropped(SHUTDOWN) == rig.delivery.stats().lost == 5


def test_a_collector_that_comes_back_during_the_drain_gets_everything():
    rig = Rig().put(50)
    rig.delivery.stop(rig.now, 10)
    rig.send()
    rig.tell(REFUSED_CONNECTION)
    rig.pause()
    delivered, _ = calls_until_empty(rig, set())
    assert len(delivered) == 50
    assert rig.delivery.next_step(rig.now) == Done()


def test_the_drain_does_not_wait_for_a_time_beyond_its_budget():
    rig = Rig().put(3)
    rig.delivery.stop(rig.now, 10)
    rig.send()
    rig.tell(Busy("RESOURCE_EXHAUSTED", 30.0))
    assert rig.ended().dropped(SHUTDOWN) == 3


def test_calls_of_the_drain_end_with_its_budget():
    rig = Rig().put()
    rig.delivery.stop(rig.now, 2.5)
    step = rig.delivery.next_step(rig.now)
    assert isinstance(step, Send)
    assert step.timeout_seconds == 2.5


@pytest.mark.parametrize("budget", [0.0, -1.0])
def test_a_stop_without_budget_is_done_at_once_and_counts(budget: float):
    rig = Rig().put(2)
    rig.delivery.stop(rig.now, budget)
    assert rig.ended().dropped(SHUTDOWN) == 2


def test_a_second_stop_can_only_shorten_the_budget():
    rig = Rig().put()
    rig.delivery.stop(rig.now, 5)
    rig.delivery.stop(rig.now, 50)
    rig.send()
    assert rig.delivery.call_ends_at() == rig.now + 5


def test_what_is_put_while_draining_is_still_tried():
    rig = Rig().put()
    rig.delivery.stop(rig.now, 5)
    rig.send()
    rig.put()
    rig.tell(Delivered())
    assert rig.send() == [2]


def test_what_is_put_after_the_end_is_counted_as_lost():
    rig = Rig()
    rig.delivery.stop(rig.now, 5)
    rig.ended().put()
    assert rig.dropped(SHUTDOWN) == 1


def test_after_abandon_every_step_is_done_though_nobody_said_stop():
    rig = Rig().put()
    rig.delivery.abandon()
    assert rig.delivery.next_step(rig.now) == Done()
    assert rig.put().delivery.next_step(rig.now) == Done()


def test_what_was_given_up_is_not_gone_from_a_spool():
    rig = Rig().put(5)
    assert rig.delivery.waiting(0).gone_through == 0
    rig.delivery.endangered = True
    rig.delivery.abandon({1, 2, 3})
    rig.delivery.abandon()
    assert rig.delivery.waiting(3) == Waiting(False, (), 0)
    rig.delivery.restore([Request(-7, b"", 0)])
    rig.delivery.restore([])
    assert rig.delivery.waiting(3).gone_through == -8
    assert rig.delivery.next_step(rig.now) == Done()
    assert rig.delivery.stats().put == 5


def test_abandon_counts_what_is_in_flight_and_an_outcome_after_it_changes_nothing():
    rig = Rig(Bounds(batch_bytes=1000)).put(3)
    rig.send()
    rig.delivery.abandon()
    rig.tell(Delivered())
    stats = rig.delivery.stats()
    assert (stats.delivered, stats.dropped[SHUTDOWN], stats.queue_count) == (0, 3, 0)


# Figures


def test_the_stats_say_what_waits_and_what_the_bounds_are():
    rig = Rig(Bounds(count=50, bytes=100_000, batch_bytes=2000)).put(5)
    rig.send()
    stats = rig.delivery.stats()
    assert (stats.put, stats.queue_count, stats.in_flight) == (5, 5, 2)
    assert stats.queue_bytes == 5 * (100 + REQUEST_OVERHEAD_BYTES)
    assert (stats.queue_count_max, stats.queue_bytes_max) == (50, 100_000)


def test_the_stats_count_calls_by_status_and_know_the_last_delivery():
    rig = Rig().put()
    for outcome in (REFUSED_CONNECTION, Busy("UNAVAILABLE: full", None, "UNAVAILABLE"), Delivered()):
        rig.send()
        rig.tell(outcome)
        rig.now += 10
    stats = rig.delivery.stats()
    assert stats.calls == {"NO_ANSWER": 1, "UNAVAILABLE": 1, "OK": 1}
    assert (stats.failures_in_a_row, stats.last_delivery_at) == (0, rig.now - 10)


def test_the_stats_of_a_moment_do_not_change_later():
    rig = Rig().put()
    before = rig.delivery.stats()
    rig.send()
    rig.tell(POISON)
    assert (before.lost, before.calls) == (0, {})

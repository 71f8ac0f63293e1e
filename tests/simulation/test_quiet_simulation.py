"""What the bridge says of itself when nothing is delivered: hours on fake time, by the sender's own turns."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator
from random import Random

import pytest

from bridge.delivery import Bounds, Delivery
from bridge.errors import TransportError
from bridge.sender import Sender
from bridge.transports import Answer
from tests.simulation.fake_time import Agenda, FakeTransport, Reply

INTERVAL_SECONDS = 60.0
CALL_SECONDS = 0.01
OWN = b"own"
WELL = Reply(Answer(0), CALL_SECONDS, arrives=True)
GONE = Reply(TransportError("refused", may_have_arrived=False), CALL_SECONDS, arrives=False)
SILENT = Reply(Answer(0), math.inf, arrives=False)
BAD = Reply(Answer(3), CALL_SECONDS, arrives=False)
_SILENT_LOG = logging.getLogger("simulated")
_SILENT_LOG.setLevel(logging.CRITICAL)


class Quiet:
    """A sender whose job puts when it is told to; replies are set by the test; calls are kept with their times."""

    def __init__(self, bounds: Bounds | None = None, *, quiet_seconds_max: float | None = INTERVAL_SECONDS) -> None:
        self.agenda = Agenda()
        self.transport = FakeTransport(self.agenda, self)
        self.sender = Sender(
            Delivery(bounds or Bounds(), Random(1)),  # noqa: S311 - jitter
            self.transport,
            lambda: self.agenda.now,
            _SILENT_LOG,
            rest_seconds=0.0,
        )
        self.sender._bulletins.start(self.when_due, quiet_seconds_max)
        self.asked_at: float | None = None
        self.to_job = self.to_own = WELL
        self.calls: list[tuple[float, bytes]] = []
        self.took: list[tuple[float, bytes]] = []

    def when_due(self) -> bytes | None:
        """As `bridge.self_metrics.SelfMetrics` does."""
        now = self.agenda.now
        if self.asked_at is not None and now - self.asked_at < INTERVAL_SECONDS:
            return None
        self.asked_at = now
        return OWN

    def reply(self, message: bytes) -> Reply:
        self.calls.append((self.agenda.now, message))
        return {OWN: self.to_own, b"bad": BAD}.get(message, self.to_job)

    def ended(self, message: bytes, *, began: float, arrived: bool, status: int | None) -> None:
        del began, status
        if arrived:
            self.took.append((self.agenda.now, message))

    def put_at(self, *times: float) -> None:
        for time in times:
            self.agenda.at(time, lambda: self.sender.put(b"job"))

    def run_until(self, ends: float) -> None:
        self.agenda.at(ends, lambda: self.sender._begin_drain(0.0))
        while self.sender._turn():
            assert self.transport.idles < 10_000, "a wake-up storm"

    def own(self) -> list[float]:
        return [time for time, message in self.calls if message == OWN]


@pytest.fixture
def quiet() -> Iterator[Quiet]:
    made = Quiet()
    yield made
    made.sender._wakeup.close()


def paces(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


@pytest.mark.parametrize("to_own", [WELL, GONE, SILENT, BAD], ids=["well", "gone", "silent", "refusing"])
def test_with_nothing_to_deliver_it_speaks_once_an_interval_whatever_becomes_of_that(quiet: Quiet, to_own: Reply):
    quiet.to_own = to_own
    quiet.run_until(3601.0)
    assert quiet.own()[0] == INTERVAL_SECONDS, "and never before"
    assert paces(quiet.own()) == pytest.approx([INTERVAL_SECONDS] * 59, abs=0.01)
    assert quiet.transport.idles <= 2 * 60 + 1, "a wake-up storm"
    stats = quiet.sender.stats()
    assert (stats.put, stats.delivered, stats.failures_in_a_row) == (0, 0, 0), "none of the job's figures"


def test_where_it_is_not_to_speak_unasked_it_sleeps(quiet: Quiet):
    quiet.sender._bulletins.start(quiet.when_due, None)
    quiet.run_until(3600.5)
    assert quiet.calls == []
    assert quiet.transport.idles == 1


def test_a_job_that_is_delivered_changes_nothing_it_speaks_right_after_a_delivery(quiet: Quiet):
    quiet.put_at(*(10.0 * tick for tick in range(360)))
    quiet.run_until(3599.0)
    jobs = {time for time, message in quiet.calls if message != OWN}
    assert len(jobs) == 360
    assert len(quiet.own()) >= 50
    for time in quiet.own():
        assert any(time - job == pytest.approx(CALL_SECONDS) for job in jobs), time


def test_from_the_last_delivery_on_it_waits_an_interval(quiet: Quiet):
    quiet.put_at(0.0, 30.0)
    quiet.run_until(151.0)
    assert quiet.own() == pytest.approx(
        [CALL_SECONDS, 30 + CALL_SECONDS + INTERVAL_SECONDS, 150 + CALL_SECONDS], abs=0.01
    )


def test_a_delivery_counts_also_where_what_followed_it_was_refused():
    quiet = Quiet(Bounds(batch_bytes=1))
    quiet.put_at(0.0, 59.0)
    quiet.agenda.at(59.0, lambda: quiet.sender.put(b"bad"))
    quiet.run_until(130.0)
    quiet.sender._wakeup.close()
    assert [message for _, message in quiet.calls] == [b"job", OWN, b"job", b"bad", OWN]
    assert quiet.own()[1] == pytest.approx(59 + CALL_SECONDS + INTERVAL_SECONDS, abs=0.02)


def test_in_an_outage_of_the_job_s_own_data_nothing_is_said(quiet: Quiet):
    quiet.to_job = GONE
    quiet.put_at(0.0)
    quiet.run_until(1800.0)
    assert quiet.own() == []
    assert len(quiet.calls) > 1000, "the job's data is tried all the time"


def test_one_that_hangs_makes_way_for_the_job_s_data_at_once(quiet: Quiet):
    quiet.to_own = SILENT
    quiet.put_at(62.5)
    quiet.run_until(70.0)
    assert quiet.own() == [INTERVAL_SECONDS]
    assert quiet.took == [(62.5 + CALL_SECONDS, b"job")]


def test_one_that_hangs_makes_way_for_the_end(quiet: Quiet):
    quiet.to_own = SILENT
    quiet.run_until(61.0)
    assert quiet.agenda.now == 61.0


def test_a_pause_of_the_deliverys_is_no_time_to_speak():
    quiet = Quiet(Bounds(refusals_at_once=0, reconnect_seconds=200.0))
    quiet.to_job = BAD
    quiet.put_at(0.0)  # it is dropped, nothing waits, and the next call is not before 160 s
    quiet.run_until(260.0)
    quiet.sender._wakeup.close()
    assert 160.0 <= quiet.own()[0] <= 240.0 + 2 * CALL_SECONDS


def test_where_all_that_the_job_has_is_refused_it_speaks_in_between(quiet: Quiet):
    quiet.to_job = BAD
    quiet.put_at(*(10.0 * tick for tick in range(60)))
    quiet.run_until(599.0)
    assert quiet.sender.stats().delivered == 0
    assert len(quiet.own()) == 9


@pytest.mark.parametrize(("interval_seconds", "call_seconds"), [(10.0, 6.0), (1.0, 0.6)])
def test_before_a_collector_that_takes_more_than_half_an_interval_it_is_seen_every_two_minutes(
    quiet: Quiet, interval_seconds: float, call_seconds: float
):
    quiet.to_job = quiet.to_own = Reply(Answer(0), call_seconds, arrives=True)
    quiet.put_at(*(interval_seconds * tick for tick in range(int(3600 / interval_seconds))))
    quiet.run_until(3600.0)
    arrived = [time for time, message in quiet.took if message == OWN]
    assert len(arrived) >= 3600 // (120 + interval_seconds + call_seconds)
    assert min(paces(arrived)) >= 120.0
    assert len(quiet.own()) - len(arrived) <= 1, "one that has to make way costs a good connection"
    stats = quiet.sender.stats()
    assert stats.put - stats.delivered <= 2
    assert set(stats.calls) == {"OK"}


def test_when_the_collector_is_quick_again_it_speaks_once_an_interval_again(quiet: Quiet):
    quiet.to_job = quiet.to_own = Reply(Answer(0), 6.0, arrives=True)
    quiet.put_at(*(10.0 * tick for tick in range(120)))
    quiet.agenda.at(600.0, lambda: setattr(quiet, "to_job", WELL))
    quiet.agenda.at(600.0, lambda: setattr(quiet, "to_own", WELL))
    quiet.run_until(1199.0)
    assert paces([time for time in quiet.own() if time > 730.0]) == pytest.approx([INTERVAL_SECONDS] * 7, abs=10.1)


def test_one_that_hangs_although_the_job_s_data_arrives_delays_that_by_five_seconds_every_two_minutes(quiet: Quiet):
    quiet.to_own = SILENT
    quiet.put_at(*(1.0 * tick for tick in range(3600)))
    quiet.run_until(3599.5)
    assert min(paces(quiet.own()[1:])) >= 120.0
    assert len(quiet.own()) >= 25
    jobs = [time for time, message in quiet.took if message != OWN]
    assert max(paces(jobs)) <= 5.0 + 1.0
    assert sum(pace > 1.5 for pace in paces(jobs)) <= 30
    assert quiet.sender.stats().lost == 0

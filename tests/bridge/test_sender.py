from __future__ import annotations

import itertools
import logging
import select
import threading
import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

from bridge.delivery import Bounds, Delivery, Stats
from bridge.errors import TransportError
from bridge.outbox import INTERNAL_ERROR, QUEUE_FULL, REFUSED, SHUTDOWN, TOO_LARGE
from bridge.sender import Sender
from bridge.transports import Answer, Patience
from bridge.wakeup import Wakeup
from harness.waiting import wait_until
from tests.bridge.transports.fake import FakeTransport, refuse_connection, stay_silent

QUICK = Bounds(reconnect_seconds=0.02, busy_first_seconds=0.02, busy_seconds_max=0.05)
INVALID_ARGUMENT = 3


class Rig:
    def __init__(
        self, transport: FakeTransport, bounds: Bounds, log: logging.Logger, *, overdue_seconds: float = 120.0
    ) -> None:
        self.transport = transport
        self.sender = Sender(
            Delivery(bounds, Random(1)),  # noqa: S311 - jitter, no secret
            transport,
            time.monotonic,
            log,
            rest_seconds=0.02,
            overdue_seconds=overdue_seconds,
        )

    def delivered(self, count: int) -> None:
        wait_until(lambda: self.sender.stats().delivered >= count, within=5, what=f"{count} deliveries")

    def called(self, times: int) -> None:
        began = self.transport.calls
        wait_until(lambda: self.transport.calls >= began + times, within=5, what=f"{times} more calls")

    def stop(self, budget_seconds: float = 5.0) -> tuple[Stats, float]:
        began = time.monotonic()
        return self.sender.stop(budget_seconds), time.monotonic() - began


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def rig(transport: FakeTransport) -> Iterator[Rig]:
    rig = Rig(transport, QUICK, logging.getLogger("bridge.sender"))
    rig.sender.start()
    yield rig
    rig.sender.stop(0)


# Delivery


def test_what_is_put_arrives_uncompressed_in_order_and_in_one_thread(rig: Rig, transport: FakeTransport):
    for number in range(20):
        rig.sender.put(f"<{number}>".encode())
    rig.delivered(20)
    assert b"".join(transport.messages) == b"".join(b"<%d>" % number for number in range(20))
    assert transport.threads == {"sender"}


def test_a_put_wakes_a_sender_that_waits(rig: Rig, transport: FakeTransport):
    for number in range(3):
        wait_until(lambda: transport.idles > number, within=5, what="idle")  # noqa: B023 - called in this turn only
        began = time.monotonic()
        rig.sender.put(b"x")
        rig.delivered(number + 1)
        assert time.monotonic() - began < 1


def test_what_leaves_at_once_is_not_compressed_and_what_waits_is(rig: Rig, transport: FakeTransport):
    transport.answer = refuse_connection
    wait_until(lambda: transport.idles > 0, within=5, what="idle")
    for _ in range(50):
        rig.sender.put(bytes(2000))
    stats = rig.sender.stats()
    assert stats.queue_count == 50
    assert 2000 < stats.queue_bytes < 2000 + 50 * 300


def test_a_wakeup_that_comes_between_is_not_lost():
    wakeup = Wakeup()
    for _ in range(3):
        wakeup.wake()
    assert select.select([wakeup.fileno()], [], [], 0)[0]
    wakeup.clear()
    wakeup.clear()
    assert not select.select([wakeup.fileno()], [], [], 0)[0]
    wakeup.wake()
    assert select.select([wakeup.fileno()], [], [], 0)[0]
    wakeup.close()


def test_what_was_put_in_an_outage_arrives_when_it_ends(rig: Rig, transport: FakeTransport):
    transport.answer = refuse_connection
    for number in range(10):
        rig.sender.put(b"<%d>" % number)
    rig.called(3)
    transport.answer = lambda _message, _patience: Answer(0)
    rig.delivered(10)
    assert b"".join(transport.messages) == b"".join(b"<%d>" % number for number in range(10))


def test_puts_during_an_outage_do_not_make_it_call_or_wake_more_often(transport: FakeTransport):
    rig = Rig(transport, Bounds(reconnect_seconds=0.2), logging.getLogger("bridge.sender"))
    transport.answer = refuse_connection
    rig.sender.start()
    rig.sender.put(b"x")
    wait_until(lambda: rig.sender.stats().failures_in_a_row == 1, within=5, what="the first failure")
    for _ in range(50):
        rig.sender.put(b"x")
    rig.called(2)
    assert transport.idles <= 5
    rig.sender.stop(0)


def test_a_put_never_waits_for_a_call_that_hangs(rig: Rig, transport: FakeTransport):
    transport.answer = stay_silent
    rig.sender.put(b"x")
    rig.called(1) if transport.calls == 0 else None
    began = time.monotonic()
    for _ in range(100):
        rig.sender.put(bytes(2000))
    assert time.monotonic() - began < 1


def test_a_poisoned_request_is_dropped_alone(rig: Rig, transport: FakeTransport):
    gate = threading.Event()

    def answer(message: bytes, _patience: Patience) -> Answer:
        gate.wait(5)
        return Answer(INVALID_ARGUMENT, "bad") if b"<5>" in message else Answer(0)

    transport.answer = answer
    for number in range(10):
        rig.sender.put(b"<%d>" % number)
    gate.set()
    rig.delivered(9)
    assert rig.sender.stats().dropped[REFUSED] == 1
    assert b"<4><6>" in b"".join(transport.messages)


# Errors that nothing there should raise


def test_an_unexpected_error_in_a_call_is_logged_counted_and_delivery_goes_on(
    rig: Rig, transport: FakeTransport, caplog: pytest.LogCaptureFixture
):
    errors = iter([KeyError("a"), KeyError("b"), MemoryError()])

    def answer(_message: bytes, _patience: Patience) -> Answer:
        for error in errors:
            raise error
        return Answer(0)

    transport.answer = answer
    rig.sender.put(b"x")
    rig.delivered(1)
    assert rig.sender.stats().calls == {"INTERNAL_ERROR": 3, "OK": 1}
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info[0] for record in told if record.exc_info] == [KeyError, MemoryError], "repeats are not said"


def test_an_unexpected_error_while_idle_does_not_end_delivery(rig: Rig, transport: FakeTransport):
    def idle(_wakeup_fileno: int, _seconds: float | None) -> None:
        transport.idles += 1
        raise OSError("no descriptors")

    wait_until(lambda: transport.idles == 1, within=5, what="the first idle")
    transport.idle = idle  # type: ignore[method-assign]  # the transport breaks from here on
    rig.sender.put(b"x")
    rig.delivered(1)
    rig.sender.put(b"y")
    rig.delivered(2)
    assert rig.sender.stats().calls["INTERNAL_ERROR"] >= 1


def test_an_error_that_repeats_does_not_spin(transport: FakeTransport):
    rig = Rig(transport, QUICK, logging.getLogger("bridge.sender"))

    def idle(_wakeup_fileno: int, _seconds: float | None) -> None:
        transport.idles += 1
        raise OSError("no descriptors")

    transport.idle = idle  # type: ignore[method-assign]  # the transport is broken from the start
    began = time.monotonic()
    rig.sender.start()
    wait_until(lambda: transport.idles >= 5, within=5, what="five turns")
    assert transport.idles <= 2 + (time.monotonic() - began) / 0.02
    assert rig.stop()[1] < 1


def test_a_log_that_raises_does_not_end_delivery(transport: FakeTransport):
    class BrokenLog(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the form of the one it replaces
            raise OSError("disk full")

    rig = Rig(transport, QUICK, BrokenLog("broken"))
    transport.answer = refuse_connection
    rig.sender.start()
    rig.sender.put(b"x")
    rig.called(3)
    transport.answer = lambda _message, _patience: Answer(0)
    rig.delivered(1)
    assert rig.stop()[0].lost == 0


def test_a_body_that_cannot_be_read_any_more_is_dropped_after_some_tries(transport: FakeTransport):
    rig = Rig(transport, Bounds(reconnect_seconds=0.001, breaks_before_drop=3), logging.getLogger("bridge.sender"))
    rig.sender.put(b"x")
    waiting = rig.sender._delivery._outbox._waiting
    waiting[0] = waiting[0]._replace(body=b"rotten")
    rig.sender.put(b"y")
    rig.sender.start()
    rig.delivered(1)
    assert rig.stop()[0].dropped[INTERNAL_ERROR] == 1
    assert transport.messages == [b"y"]


# Shutdown


def test_stop_delivers_what_waits_and_closes_the_transport_within_a_second(rig: Rig, transport: FakeTransport):
    for _ in range(100):
        rig.sender.put(b"x")
    stats, seconds = rig.stop(10)
    assert (stats.delivered, stats.lost) == (100, 0)
    assert seconds < 1
    assert transport.closed


def test_stop_with_the_collector_refused_takes_no_longer_than_its_budget(rig: Rig, transport: FakeTransport):
    transport.answer = refuse_connection
    rig.sender.put(b"x")
    rig.called(1) if transport.calls == 0 else None
    stats, seconds = rig.stop(0.5)
    assert stats.dropped[SHUTDOWN] == 1
    assert seconds < 0.5 + 0.25


def test_stop_interrupts_a_call_that_hangs(rig: Rig, transport: FakeTransport):
    transport.answer = stay_silent
    rig.sender.put(b"x")
    wait_until(lambda: transport.calls == 1, within=5, what="the call")
    stats, seconds = rig.stop(0.5)
    assert (stats.dropped[SHUTDOWN], stats.queue_count) == (1, 0)
    assert 0.4 < seconds < 0.5 + 0.25
    assert transport.closed


def test_a_call_that_was_woken_does_not_spin_until_the_budget_is_spent(rig: Rig, transport: FakeTransport):
    looks = 0

    def count_looks(message: bytes, patience: Patience) -> Answer:
        class Counted:
            def deadline(self) -> float:
                nonlocal looks
                looks += 1
                return patience.deadline()

            def fileno(self) -> int:
                return patience.fileno()

        return stay_silent(message, Counted())

    transport.answer = count_looks
    rig.sender.put(b"x")
    wait_until(lambda: transport.calls == 1, within=5, what="the call")
    rig.stop(0.3)
    assert looks <= 6


def test_stop_ends_a_pause(transport: FakeTransport):
    rig = Rig(transport, Bounds(reconnect_seconds=30), logging.getLogger("bridge.sender"))
    transport.answer = refuse_connection
    rig.sender.start()
    rig.sender.put(b"x")
    wait_until(lambda: rig.sender.stats().failures_in_a_row == 1, within=5, what="the pause")
    transport.answer = lambda _message, _patience: Answer(0)
    stats, seconds = rig.stop(10)
    assert (stats.delivered, stats.lost) == (1, 0)
    assert seconds < 1


def test_stop_returns_even_when_the_transport_breaks_its_contract_and_hangs(rig: Rig, transport: FakeTransport):
    released = threading.Event()

    def hang(_message: bytes, _patience: Patience) -> Answer:
        released.wait(30)
        return Answer(0)

    transport.answer = hang
    rig.sender.put(b"x")
    wait_until(lambda: transport.calls == 1, within=5, what="the call")
    stats, seconds = rig.stop(0.2)
    released.set()
    assert (stats.dropped[SHUTDOWN], stats.delivered) == (1, 0)
    assert seconds < 1


def test_a_second_stop_returns_the_same_figures(rig: Rig):
    rig.sender.put(b"x")
    first, _ = rig.stop()
    assert rig.stop()[0] == first


def test_stop_without_start_counts_what_was_put(transport: FakeTransport):
    rig = Rig(transport, QUICK, logging.getLogger("bridge.sender"))
    rig.sender.put(b"x")
    assert rig.stop()[0].dropped[SHUTDOWN] == 1


def test_what_is_put_after_stop_is_counted_as_lost(rig: Rig):
    rig.stop()
    rig.sender.put(b"x")
    assert rig.sender.stats().dropped[SHUTDOWN] == 1


# What is said


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_the_first_failure_and_the_recovery_are_said_once_each_with_what_waits(
    rig: Rig, transport: FakeTransport, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    rig.sender.put(b"x")
    rig.delivered(1)
    transport.answer = refuse_connection
    for _ in range(5):
        rig.sender.put(b"x")
    rig.called(5)
    transport.answer = lambda _message, _patience: Answer(0)
    rig.delivered(6)
    rig.stop()
    said = lines(caplog)
    assert said[0].startswith("INFO first delivery; requests that were waiting: 1")
    assert said[1].startswith("WARNING delivery fails: connection refused;")
    assert "next attempt in 0.0 s" in said[1]
    assert said[2].startswith("INFO delivery works again after ")
    assert said[2].endswith("; requests that were waiting: 5")
    assert len(said) == 3


def test_a_collector_that_comes_and_goes_does_not_fill_the_log(
    rig: Rig, transport: FakeTransport, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)

    def every_other(_message: bytes, _patience: Patience) -> Answer:
        if transport.calls % 2:
            raise TransportError("reset by peer", may_have_arrived=True)
        return Answer(0)

    transport.answer = every_other
    for number in range(20):
        rig.sender.put(b"x")
        rig.delivered(number + 1)
    assert len(lines(caplog)) <= 3


def test_dropped_requests_are_said_with_the_collectors_reason(
    rig: Rig, transport: FakeTransport, caplog: pytest.LogCaptureFixture
):
    transport.answer = lambda _message, _patience: Answer(INVALID_ARGUMENT, "no such metric")
    rig.sender.put(b"x")
    wait_until(lambda: rig.sender.stats().dropped[REFUSED] == 1, within=5, what="the refusal")
    rig.stop()
    (line,) = lines(caplog)
    assert line.startswith("WARNING requests dropped: 1, refused by the collector for good")
    assert line.endswith("(INVALID_ARGUMENT: no such metric); dropped so far: 1")


def test_an_overflow_is_said(transport: FakeTransport, caplog: pytest.LogCaptureFixture):
    rig = Rig(transport, Bounds(count=2, reconnect_seconds=0.02), logging.getLogger("bridge.sender"))
    transport.answer = refuse_connection
    for _ in range(5):
        rig.sender.put(b"x")
    rig.sender.start()
    wait_until(lambda: any("queue is full" in line for line in lines(caplog)), within=5, what="the line")
    assert rig.stop(0)[0].dropped[QUEUE_FULL] == 3


@pytest.fixture
def narrow(transport: FakeTransport) -> Iterator[Rig]:
    """A queue of 4000 bytes; the sender is idle."""
    rig = Rig(transport, QUICK._replace(bytes=4000), logging.getLogger("bridge.sender"))
    rig.sender.start()
    wait_until(lambda: transport.idles > 0, within=5, what="idle")
    yield rig
    rig.sender.stop(0)


def test_what_is_larger_than_the_queue_may_be_is_said_although_nothing_is_ever_sent(
    narrow: Rig, transport: FakeTransport, caplog: pytest.LogCaptureFixture
):
    chance = Random(1)  # noqa: S311 - what it gives cannot be compressed
    for _ in range(3):
        narrow.sender.put(chance.randbytes(5000))
    wait_until(lambda: bool(lines(caplog)), within=5, what="the line")
    assert narrow.stop()[0].dropped[TOO_LARGE] == 3
    (line,) = lines(caplog)
    assert line.startswith("WARNING requests dropped: ")
    assert "larger than the whole queue may be (BRIDGE_QUEUE_SIZE_MAX); dropped so far: " in line
    assert transport.calls == 0


def test_what_fits_the_queue_compressed_is_not_dropped_because_the_sender_is_idle(
    narrow: Rig, transport: FakeTransport
):
    narrow.sender.put(bytes(5000))
    narrow.delivered(1)
    assert transport.messages == [bytes(5000)]


# The parts


def test_a_wake_up_is_seen_once_and_many_are_one():
    wakeup = Wakeup()
    assert not select.select([wakeup], [], [], 0)[0]
    for _ in range(100_000):
        wakeup.wake()
    assert select.select([wakeup], [], [], 0)[0]
    wakeup.clear()
    assert not select.select([wakeup], [], [], 0)[0]
    wakeup.close()
    wakeup.wake()


# What the bridge says of itself


class News:
    """Bulletins, numbered; as many as are allowed."""

    def __init__(self, allowed: int = 1) -> None:
        self.allowed = allowed
        self.asked = 0

    def __call__(self) -> bytes | None:
        self.asked += 1
        return b"[%d]" % self.asked if self.asked <= self.allowed else None


def rig_with(news: Callable[[], bytes | None], transport: FakeTransport, *, overdue_seconds: float = 120.0) -> Rig:
    rig = Rig(transport, QUICK, logging.getLogger("bridge.sender"), overdue_seconds=overdue_seconds)
    rig.sender.start(news)
    return rig


def test_a_bulletin_leaves_after_a_delivery_when_nothing_waits_and_is_asked_for_once_a_delivery(
    transport: FakeTransport,
):
    news = News()
    rig = rig_with(news, transport)
    rig.sender.put(b"<1>")
    wait_until(lambda: len(transport.messages) == 2, within=5, what="the bulletin")
    rig.sender.put(b"<2>")
    wait_until(lambda: news.asked == 2, within=5, what="it is asked for again")
    assert rig.stop()[0].delivered == 2, "a bulletin is no request of the job's"
    assert transport.messages == [b"<1>", b"[1]", b"<2>"]


def test_no_bulletin_leaves_before_a_call_succeeded_or_after_one_that_failed(transport: FakeTransport):
    news = News(allowed=9)
    transport.answer = refuse_connection
    rig = rig_with(news, transport)
    rig.sender.put(b"x")
    rig.called(3)
    assert news.asked == 0
    rig.sender.stop(0)


def test_no_bulletin_leaves_after_a_request_that_was_refused_for_good(transport: FakeTransport):
    news = News(allowed=9)
    transport.answer = lambda _message, _patience: Answer(INVALID_ARGUMENT, "bad")
    rig = rig_with(news, transport)
    rig.sender.put(b"x")
    wait_until(lambda: rig.sender.stats().dropped[REFUSED] == 1, within=5, what="it is dropped")
    rig.sender.put(b"y")
    wait_until(lambda: rig.sender.stats().dropped[REFUSED] == 2, within=5, what="the next one is dropped")
    assert news.asked == 0
    rig.sender.stop(0)


def test_a_bulletin_that_hangs_is_taken_back_when_the_jobs_data_comes(transport: FakeTransport):
    hung = threading.Event()

    def answer(message: bytes, patience: Patience) -> Answer:
        if message.startswith(b"["):
            hung.set()
            return stay_silent(message, patience)
        return Answer(0)

    transport.answer = answer
    rig = rig_with(News(), transport)
    rig.sender.put(b"<1>")
    assert hung.wait(5)
    began = time.monotonic()
    rig.sender.put(b"<2>")
    rig.delivered(2)
    assert time.monotonic() - began < 1
    rig.sender.stop(0)


def test_a_bulletin_that_hangs_is_taken_back_when_the_end_is_asked_for(transport: FakeTransport):
    hung = threading.Event()

    def answer(message: bytes, patience: Patience) -> Answer:
        if message.startswith(b"["):
            hung.set()
            return stay_silent(message, patience)
        return Answer(0)

    transport.answer = answer
    rig = rig_with(News(), transport)
    rig.sender.put(b"<1>")
    assert hung.wait(5)
    stats, seconds = rig.stop(5.0)
    assert seconds < 1
    assert (stats.delivered, stats.lost) == (1, 0)


def never_empty(rig: Rig, transport: FakeTransport) -> None:
    """Each request that leaves is followed by the next one before it is answered: something always waits."""
    numbers = itertools.count(2)

    def answer(message: bytes, _patience: Patience) -> Answer:
        if not message.startswith(b"["):
            rig.sender.put(b"<%d>" % next(numbers))
            time.sleep(0.001)  # a call takes its time
        return Answer(0)

    transport.answer = answer
    rig.sender.put(b"<1>")


def test_a_queue_that_never_empties_lets_no_bulletin_through_until_it_is_overdue(transport: FakeTransport):
    news = News(allowed=2)
    began = time.monotonic()
    rig = rig_with(news, transport, overdue_seconds=0.2)
    never_empty(rig, transport)
    rig.delivered(20)
    early = time.monotonic() - began < 0.2
    assert not (early and news.asked), "asked for before it was overdue, although something waited"
    wait_until(lambda: b"[2]" in transport.messages, within=5, what="both bulletins, between two calls")
    assert time.monotonic() - began >= 0.4
    rig.delivered(rig.sender.stats().delivered + 5)
    rig.sender.stop(0)


def test_an_overdue_bulletin_that_hangs_is_taken_back_when_the_end_is_asked_for(transport: FakeTransport):
    hung = threading.Event()
    rig = rig_with(News(), transport, overdue_seconds=0.0)

    def answer(message: bytes, patience: Patience) -> Answer:
        if message.startswith(b"["):
            hung.set()
            return stay_silent(message, patience)
        return Answer(0)

    transport.answer = answer
    rig.sender.put(b"<1>")
    assert hung.wait(5)
    rig.sender.put(b"<2>")
    stats, seconds = rig.stop(5.0)
    assert seconds < 1
    assert (stats.delivered, stats.lost) == (2, 0)


@pytest.mark.parametrize("answer", [Answer(INVALID_ARGUMENT, "bad"), KeyError("a bulletin that breaks")])
def test_whatever_becomes_of_a_bulletin_is_no_failure_of_delivery(transport: FakeTransport, answer: Answer | Exception):
    def answered(message: bytes, _patience: Patience) -> Answer:
        if not message.startswith(b"["):
            return Answer(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport.answer = answered
    rig = rig_with(News(allowed=9), transport)
    for number in range(1, 4):
        rig.sender.put(b"<%d>" % number)
        rig.delivered(number)
    stats, _ = rig.stop()
    assert (stats.delivered, stats.lost, stats.failures_in_a_row) == (3, 0, 0)
    assert stats.calls == {"OK": 3}

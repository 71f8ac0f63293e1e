"""What every transport promises to those above it: one suite for http2, for grpcio, and for the fake of other tests."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import otlp
from bridge.errors import TransportError
from bridge.otlp import Busy, Delivered, Refused, Unreachable
from bridge.transports import Answer
from harness.waiting import wait_until
from tests.bridge.transports.benches import Bench, bench_of
from tests.bridge.transports.scripted import Wire


@pytest.fixture(params=["http2", "grpcio", "fake"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = bench_of(request.param)
    yield bench
    bench.close()


class Bare:
    """A patience without a descriptor."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def deadline(self) -> float:
        return self._deadline

    def fileno(self) -> int:
        return -1


def failure(bench: Bench, wire: Wire, seconds: float = 5.0) -> TransportError:
    with pytest.raises(TransportError) as caught:
        bench.transport.call(b"x", wire.allow(seconds))
    assert caught.value.reason
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_900_000])
def test_a_message_arrives_whole_and_is_answered(bench: Bench, wire: Wire, size: int):
    message = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    bench.answers(Answer(0, body=b"\x0a\x00"))
    answer = bench.transport.call(message, wire.allow())
    assert (answer.status, answer.body) == (0, b"\x0a\x00")
    assert bench.messages == [message]


@pytest.mark.parametrize("status", range(1, 17))
def test_every_status_of_the_peer_is_an_answer(bench: Bench, wire: Wire, status: int):
    bench.answers(Answer(status, "weil 5 € > 3 % sind", details=b"\x08\x08"))
    answer = bench.transport.call(b"x", wire.allow())
    assert (answer.status, answer.message, answer.details) == (status, "weil 5 € > 3 % sind", b"\x08\x08")
    outcome = otlp.outcome_of(answer)
    assert isinstance(outcome, Busy if otlp.STATUS_NAMES[status] in otlp.RETRYABLE else Refused)


def test_unavailable_without_a_word_is_an_answer_and_no_lost_connection(bench: Bench, wire: Wire):
    bench.answers(Answer(14))
    assert otlp.export(bench.transport, [b"x"], wire.allow()) == Busy("UNAVAILABLE", None, "UNAVAILABLE")


def test_a_status_that_grpc_does_not_know_counts_as_unknown(bench: Bench, wire: Wire):
    bench.answers(Answer(99))
    assert otlp.status_name(bench.transport.call(b"x", wire.allow()).status) == "UNKNOWN"


def test_retry_info_and_partial_success_reach_otlp(bench: Bench, wire: Wire):
    type_url = b"type.googleapis.com/google.rpc.RetryInfo"
    bench.answers(Answer(8, "full", bytes.fromhex("0808 1a30 0a28") + type_url + bytes.fromhex("1204 0a02 0803")))
    assert otlp.export(bench.transport, [b"x"], wire.allow()) == Busy(
        "RESOURCE_EXHAUSTED: full", 3.0, "RESOURCE_EXHAUSTED"
    )
    bench.answers(Answer(0, body=bytes.fromhex("0a 06 0802 12 02 6e6f")))
    assert otlp.export(bench.transport, [b"x"], wire.allow()) == Delivered(2, "no")


def test_nobody_there_is_said_at_once_and_the_request_has_not_arrived(bench: Bench, wire: Wire):
    bench.goes_away()
    began = time.monotonic()
    assert not failure(bench, wire).may_have_arrived
    assert isinstance(otlp.export(bench.transport, [b"x"], wire.allow()), Unreachable)
    assert time.monotonic() - began < 2


def test_whoever_is_back_is_found_by_the_very_next_call(bench: Bench, wire: Wire):
    assert bench.transport.call(b"0", wire.allow()).status == 0
    for number in range(1, 4):
        bench.goes_away()
        failure(bench, wire)
        failure(bench, wire)
        bench.comes_back()
        assert bench.transport.call(b"%d" % number, wire.allow()).status == 0
    assert bench.messages == [b"0", b"1", b"2", b"3"]


def test_an_end_between_calls_costs_no_error(bench: Bench, wire: Wire):
    for number in range(4):
        assert bench.transport.call(b"%d" % number, wire.allow()).status == 0
        bench.goes_away()
        bench.comes_back()
        bench.transport.idle(-1, 0.02)
    assert bench.messages == [b"0", b"1", b"2", b"3"]


def test_a_hang_up_after_the_request_leaves_its_arrival_open(bench: Bench, wire: Wire):
    assert bench.transport.call(b"0", wire.allow()).status == 0
    bench.hangs_up()
    assert failure(bench, wire).may_have_arrived
    bench.answers(Answer(0))
    assert bench.transport.call(b"1", wire.allow()).status == 0


def test_a_silent_peer_costs_no_more_than_the_deadline(bench: Bench, wire: Wire):
    bench.stays_silent()
    began = time.monotonic()
    error = failure(bench, wire, 0.3)
    assert time.monotonic() - began < 1.5
    assert error.may_have_arrived
    bench.answers(Answer(0))
    assert bench.transport.call(b"x", wire.allow()).status == 0


def test_a_deadline_that_comes_nearer_ends_the_call(bench: Bench, wire: Wire):
    bench.stays_silent()
    patience = wire.allow(30)
    threading.Timer(0.2, patience.shorten, (0,)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        bench.transport.call(b"x", patience)
    assert time.monotonic() - began < 1.5


def test_a_descriptor_that_stays_readable_neither_spins_nor_blinds(bench: Bench, wire: Wire):
    bench.stays_silent()
    patience = wire.allow(30)
    patience.wake()
    threading.Timer(0.3, patience.shorten, (0,)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        bench.transport.call(b"x", patience)
    assert time.monotonic() - began < 1.5
    assert patience.looks < 30


def test_a_patience_without_a_descriptor_will_do(bench: Bench):
    assert bench.transport.call(b"x", Bare(5)).status == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_any_time_nothing_is_sent(bench: Bench, wire: Wire, seconds: float):
    assert not failure(bench, wire, seconds).may_have_arrived
    assert bench.messages == []


def test_idle_ends_when_it_is_woken_and_takes_nothing_from_the_descriptor(bench: Bench, wire: Wire):
    assert bench.transport.call(b"x", wire.allow()).status == 0
    read_end, write_end = os.pipe()
    threading.Timer(0.1, os.write, (write_end, b"!")).start()
    began = time.monotonic()
    bench.transport.idle(read_end, 10)
    bench.transport.idle(read_end, None)
    assert time.monotonic() - began < 1
    assert os.read(read_end, 9) == b"!"
    os.close(read_end)
    os.close(write_end)


def test_idle_lasts_as_long_as_it_was_told_connected_or_not(bench: Bench, wire: Wire):
    began = time.monotonic()
    bench.transport.idle(-1, 0.1)
    assert bench.transport.call(b"x", wire.allow()).status == 0
    bench.transport.idle(-1, 0.1)
    bench.goes_away()
    bench.transport.idle(-1, 0.1)
    assert 0.3 <= time.monotonic() - began < 1.5


def test_close_may_come_at_any_time_and_is_not_the_end(bench: Bench, wire: Wire):
    bench.transport.close()
    for number in range(3):
        assert bench.transport.call(b"%d" % number, wire.allow()).status == 0
        bench.transport.close()
        bench.transport.close()
        bench.transport.idle(-1, 0.0)
    assert bench.messages == [b"0", b"1", b"2"]


def test_descriptors_and_threads_stay_constant_over_outages(bench: Bench):
    def answered() -> bool:
        # A try may end before a busy machine's server greets: how soon it does is no matter here.
        try:
            return bench.transport.call(b"x", Bare(5)).status == 0
        except TransportError:
            return False

    def outage() -> None:
        bench.goes_away()
        with pytest.raises(TransportError):
            bench.transport.call(b"x", Bare(5))
        bench.comes_back()
        wait_until(answered, within=10, what="an answer after the outage")

    def counts() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    for _ in range(5):
        outage()
    descriptors, threads = counts()
    for _ in range(30):
        outage()
    wait_until(
        lambda: counts()[0] <= descriptors + 2 and counts()[1] <= threads + 2,
        within=5,
        what=f"no more than {descriptors} descriptors and {threads} threads",
    )

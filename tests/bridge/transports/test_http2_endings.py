"""How calls end that get no answer: what the bridge may think of the request then, and how soon it knows."""

from __future__ import annotations

import select
import socket
import threading
import time

import pytest
from h2.errors import ErrorCodes
from h2.events import PingAckReceived, PingReceived, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, PingFrame

from bridge.errors import TransportError
from bridge.transports.http2 import Http2Transport
from bridge.transports.http2_connection import UNSENT_BYTES_MAX
from bridge.transports.waiting import DEFAULT_TIMING, Timing
from harness.waiting import wait_until
from tests.bridge.transports.scripted import OK_HEADERS, QUICK, Peer, Wire

LAST_POSSIBLE = 2**31 - 1
WINDOW_BYTES = 16 << 20
"""More than the buffers of two sockets take."""


def serve(peer: Peer) -> None:
    peer.greet()
    peer.serve()


def failed_call(transport: Http2Transport, wire: Wire, seconds: float = 5.0, message: bytes = b"x") -> TransportError:
    began = time.monotonic()
    with pytest.raises(TransportError) as caught:
        transport.call(message, wire.allow(seconds))
    assert time.monotonic() - began < max(0.0, seconds) + 0.25
    return caught.value


def idle_until_dropped(transport: Http2Transport) -> None:
    wait_until(
        lambda: (transport.idle(-1, 0.01), transport._connection is None)[1], within=5, what="the connection's loss"
    )


def test_a_connection_closed_between_calls_is_noticed_and_made_again_without_an_error(wire: Wire):
    def once(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)

    server = wire.serve(once, serve)
    transport = wire.transport(server.port)
    assert transport.call(b"1", wire.allow()).status == 0
    idle_until_dropped(transport)
    assert transport.call(b"2", wire.allow()).status == 0
    assert len(server.peers) == 2


def test_a_connection_closed_between_calls_is_made_again_when_nobody_looked(wire: Wire):
    closed = threading.Event()

    def once(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.sock.close()
        closed.set()

    transport = wire.transport(wire.serve(once, serve).port)
    assert transport.call(b"1", wire.allow()).status == 0
    assert closed.wait(5)
    assert transport.call(b"2", wire.allow()).status == 0


def test_a_connection_closed_after_the_request_leaves_its_arrival_open(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()

    error = failed_call(wire.transport(wire.serve(script).port), wire)
    assert error.may_have_arrived
    assert "closed the connection" in error.reason


def test_a_connection_closed_before_the_request_was_whole_says_that_it_has_not_arrived(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        while not peer.requests:
            peer.read(acknowledge=False)

    error = failed_call(wire.transport(wire.serve(script).port), wire, message=bytes(200_000))
    assert not error.may_have_arrived


def test_a_request_above_goaways_last_stream_id_goes_over_a_new_connection_in_the_same_call(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.request()
        peer.frames(GoAwayFrame(0, last_stream_id=1))
        peer.read_to_end()

    server = wire.serve(script, serve)
    transport = wire.transport(server.port)
    assert transport.call(b"1", wire.allow()).status == 0
    assert transport.call(b"2", wire.allow()).status == 0
    assert bytes(server.peers[1].requests[1].body[5:]) == b"2"


def test_goaway_for_the_first_request_of_a_connection_is_reported_as_not_arrived(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.frames(GoAwayFrame(0, last_stream_id=0, error_code=11, additional_data=b"too_many_pings"))
        peer.read_to_end()

    server = wire.serve(script)
    error = failed_call(wire.transport(server.port), wire)
    assert not error.may_have_arrived
    assert "GOAWAY ENHANCE_YOUR_CALM too_many_pings" in error.reason
    assert len(server.peers) == 1, "a peer that refuses everything is not asked again at once"


def test_a_request_that_goaway_covers_is_waited_for_and_the_next_one_takes_a_new_connection(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.frames(GoAwayFrame(0, last_stream_id=LAST_POSSIBLE), PingFrame(0, opaque_data=b"shutdown"))
        while not any(isinstance(event, PingAckReceived) for event in peer.events):
            peer.read()
        peer.frames(GoAwayFrame(0, last_stream_id=stream_id))
        peer.answer(stream_id)
        peer.read_to_end()

    server = wire.serve(script, serve)
    transport = wire.transport(server.port)
    assert transport.call(b"1", wire.allow()).status == 0
    assert transport.call(b"2", wire.allow()).status == 0
    assert [len(peer.requests) for peer in server.peers] == [1, 1]


def test_a_second_goaway_can_take_back_what_the_first_one_covered(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.frames(GoAwayFrame(0, last_stream_id=LAST_POSSIBLE), GoAwayFrame(0, last_stream_id=0))
        peer.read_to_end()

    assert not failed_call(wire.transport(wire.serve(script).port), wire).may_have_arrived


def test_goaway_between_calls_costs_no_error(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.frames(GoAwayFrame(0, last_stream_id=1))
        peer.read_to_end()

    transport = wire.transport(wire.serve(script, serve).port)
    assert transport.call(b"1", wire.allow()).status == 0
    idle_until_dropped(transport)
    assert transport.call(b"2", wire.allow()).status == 0


def test_an_answer_before_the_end_of_the_connection_counts(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)

    assert wire.transport(wire.serve(script).port).call(b"", wire.allow()).status == 0


def test_a_silent_peer_is_given_up_after_a_ping_without_an_answer(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.read_to_end()

    transport = wire.transport(wire.serve(script, serve).port)
    began = time.monotonic()
    error = failed_call(transport, wire)
    assert time.monotonic() - began < QUICK.ping_after[0] + QUICK.ping_answer + 0.3
    assert error.may_have_arrived
    assert "silent" in error.reason
    assert transport.call(b"", wire.allow()).status == 0


def test_a_silent_peer_is_known_five_seconds_after_its_last_sign_of_life():
    assert DEFAULT_TIMING.ping_after[0] + DEFAULT_TIMING.ping_answer == 5.0


def test_a_slow_peer_that_answers_pings_is_waited_for_with_two_pings_at_most(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        until = time.monotonic() + 1.0
        peer.sock.settimeout(0.05)
        while time.monotonic() < until:
            try:
                peer.read()
            except TimeoutError:
                continue
        assert sum(isinstance(event, PingReceived) for event in peer.events) == 2
        peer.answer(stream_id)

    assert wire.transport(wire.serve(script).port).call(b"", wire.allow()).status == 0


def test_no_ping_is_sent_to_a_peer_that_answers_soon_nor_between_calls(wire: Wire):
    server = wire.serve(serve)
    transport = wire.transport(server.port)
    for _ in range(3):
        assert transport.call(b"", wire.allow()).status == 0
        transport.idle(-1, QUICK.ping_after[0] + 0.05)
    assert not any(isinstance(event, PingReceived) for event in server.peers[0].events)


def test_a_hung_call_on_a_living_connection_is_taken_back_and_the_connection_kept(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        while not any(isinstance(event, StreamReset) for event in peer.events):
            peer.read()
        reset = next(event for event in peer.events if isinstance(event, StreamReset))
        assert (reset.stream_id, reset.error_code) == (1, ErrorCodes.CANCEL)
        peer.serve()

    server = wire.serve(script)
    transport = wire.transport(server.port, timing=QUICK._replace(ping_after=(0.1, 9.0)))
    assert failed_call(transport, wire, 0.5).may_have_arrived
    assert transport.call(b"", wire.allow()).status == 0
    assert len(server.peers) == 1


def test_a_call_that_heard_nothing_at_all_lets_the_connection_go(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.read_to_end()

    server = wire.serve(script, serve)
    transport = wire.transport(server.port, timing=DEFAULT_TIMING)
    assert transport.call(b"", wire.allow()).status == 0
    assert failed_call(transport, wire, 0.3).may_have_arrived
    assert transport.call(b"", wire.allow()).status == 0
    assert len(server.peers) == 2


def test_a_peer_that_stops_reading_in_the_middle_of_a_large_request_is_given_up(wire: Wire):
    release = threading.Event()

    def script(peer: Peer) -> None:
        peer.greet()
        peer.h2.increment_flow_control_window(2**30)
        peer.flush()
        release.wait(10)

    transport = wire.transport(wire.serve(script).port, timing=Timing(ping_after=(0.1, 0.2), ping_answer=0.2))
    error = failed_call(transport, wire, message=bytes(30 << 20))
    release.set()
    assert not error.may_have_arrived
    assert "silent" in error.reason


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_at_all_is_said_at_once(wire: Wire, seconds: float):
    error = failed_call(wire.transport(wire.serve(serve).port), wire, seconds)
    assert not error.may_have_arrived


def test_a_shorter_deadline_ends_a_waiting_call(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.read_to_end()

    patience = wire.allow(30)
    transport = wire.transport(wire.serve(script).port, timing=DEFAULT_TIMING)
    threading.Timer(0.2, lambda: patience.shorten(0.1)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        transport.call(b"", patience)
    assert 0.2 < time.monotonic() - began < 1


def test_a_shorter_deadline_ends_a_call_whose_descriptor_was_readable_all_along(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.read_to_end()

    patience = wire.allow(30)
    patience.wake()
    transport = wire.transport(wire.serve(script).port, timing=DEFAULT_TIMING)
    threading.Timer(0.5, lambda: patience.shorten(0.1)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        transport.call(b"", patience)
    assert 0.5 < time.monotonic() - began < 1.2
    assert patience.looks < 40, "it spins"


def test_what_a_call_left_unwritten_is_written_between_calls_without_spinning(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
):
    read_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        peer.h2.increment_flow_control_window(WINDOW_BYTES)
        peer.greet({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES})
        while not peer.requests:
            peer.read(acknowledge=False)
        connection = transport._connection
        assert connection is not None
        wait_until(lambda: len(connection._unwritten) >= UNSENT_BYTES_MAX, within=5, what="a socket that is full")
        peer.h2.send_headers(1, (*OK_HEADERS, ("grpc-status", "8")), end_stream=True)
        peer.flush()
        read_on.wait(10)
        while True:
            peer.read(acknowledge=False)

    server = wire.serve(script)
    transport = wire.transport(server.port)
    assert transport.call(bytes(WINDOW_BYTES), wire.allow()).status == 8
    polls, poll = [], select.poll
    monkeypatch.setattr(select, "poll", lambda: polls.append(1) or poll())
    read_on.set()
    transport.idle(-1, 1.0)
    assert any(isinstance(event, StreamReset) for event in server.peers[0].events), "the peer was not told"
    assert len(polls) < 100, "it spins"


def test_idle_ends_when_it_is_woken_or_when_its_time_is_over(wire: Wire):
    transport = wire.transport(wire.serve(serve).port)
    began = time.monotonic()
    transport.idle(-1, 0.1)
    assert 0.1 <= time.monotonic() - began < 0.5
    woken = wire.allow()
    woken.wake()
    transport.idle(woken.fileno(), None)


def test_close_says_goodbye_and_a_later_call_connects_anew(wire: Wire):
    server = wire.serve(serve)
    transport = wire.transport(server.port)
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    transport.close()
    wait_until(server.peers[0].said_goodbye, within=5, what="GOAWAY at the peer")
    assert transport.call(b"", wire.allow()).status == 0

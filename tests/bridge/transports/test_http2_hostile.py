"""A peer that means harm, or is somebody else: one clear sentence, by the deadline, within bounded memory."""

from __future__ import annotations

import socket
import struct
import time
import tracemalloc

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.endpoint import Endpoint
from bridge.errors import TransportError
from bridge.transports import Answer
from bridge.transports.http2 import Http2Transport
from bridge.transports.http2_gate import FRAMES_MAX, RECEIVED_BYTES_MAX
from tests.bridge.transports.scripted import QUICK, Allowed, Peer, ScriptedServer, Wire

SETTINGS = SettingsFrame(0).serialize()
OK_BLOCK = Encoder().encode(((":status", "200"), ("content-type", "application/grpc")))


def reason_for(wire: Wire, *pieces: bytes, greet: bool = True, seconds: float = 5.0) -> str:
    """What a call says of a peer that sends these bytes."""

    def script(peer: Peer) -> None:
        if greet:
            peer.greet()
            peer.request()
        for piece in pieces:
            peer.raw(piece)
        peer.sock.settimeout(0.5)
        peer.read_to_end()

    with pytest.raises(TransportError) as caught:
        wire.transport(wire.serve(script).port).call(b"", wire.allow(seconds))
    return caught.value.reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer speaks HTTP/1.1, not gRPC over HTTP/2"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "speaks HTTP/1.1"),
        (bytes.fromhex("15030100020246"), "the peer speaks TLS, but the endpoint is set up as plain text"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the peer does not speak HTTP/2"),
        (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"ping" * 2, "accepted the connection, but did not speak HTTP/2"),
    ],
)
def test_a_peer_that_is_somebody_else_is_named(wire: Wire, said: bytes, reason: str):
    assert reason in reason_for(wire, said, greet=False)


def test_a_peer_that_hangs_up_at_once_is_named(wire: Wire):
    def script(peer: Peer) -> None:
        peer.sock.shutdown(socket.SHUT_WR)
        peer.read_to_end()

    with pytest.raises(TransportError, match="closed the connection") as caught:
        wire.transport(wire.serve(script).port).call(b"", wire.allow())
    assert not caught.value.may_have_arrived


def test_a_frame_that_is_too_long_is_refused_by_its_header_alone(wire: Wire):
    assert "a frame of more than 16384 bytes" in reason_for(wire, b"\x00\x40\x01\x00\x00\x00\x00\x00\x01")


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, opaque_data=b"12345678"),
        SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 70_000}),
        WindowUpdateFrame(0, window_increment=1),
        DataFrame(1, data=b""),
    ],
)
def test_a_flood_of_frames_ends_the_call(wire: Wire, frame: Frame):
    headers = HeadersFrame(1, data=OK_BLOCK, flags=("END_HEADERS",)).serialize()
    assert f"more than {FRAMES_MAX} frames" in reason_for(wire, headers + frame.serialize() * (FRAMES_MAX + 5))


def test_a_flood_between_calls_ends_the_connection_only(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.raw(PingFrame(0).serialize() * (FRAMES_MAX + 5))
        peer.read_to_end()

    def serve(peer: Peer) -> None:
        peer.greet()
        peer.serve()

    transport = wire.transport(wire.serve(script, serve).port)
    assert transport.call(b"", wire.allow()).status == 0
    began = time.monotonic()
    while transport._connection is not None:
        transport.idle(-1, 0.01)
        assert time.monotonic() - began < 5
    assert transport.call(b"", wire.allow()).status == 0


def test_an_endless_body_ends_the_call_and_costs_no_memory(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.h2.send_headers(stream_id, ((":status", "200"),))
        while True:
            if peer.h2.local_flow_control_window(stream_id) < 16384:
                peer.read()
                continue
            peer.h2.send_data(stream_id, bytes(16384))
            peer.flush()

    transport = wire.transport(wire.serve(script).port)
    tracemalloc.start()
    try:
        with pytest.raises(TransportError, match=f"{RECEIVED_BYTES_MAX} bytes"):
            transport.call(b"", wire.allow())
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_ever_new_settings_are_cut_off(wire: Wire):
    # By hand: hyperframe writes only the lower byte of a setting's number.
    payload = b"".join(struct.pack(">HL", number, 1) for number in range(100, 2000))
    flood = len(payload).to_bytes(3, "big") + b"\x04\x00" + bytes(4) + payload
    assert "more than 64 different settings" in reason_for(wire, flood)


def test_oversized_headers_are_refused(wire: Wire):
    block = Encoder().encode([(b"x-%d" % number, b"y" * 1000) for number in range(20)], huffman=False)
    first = HeadersFrame(1, data=block[:16000]).serialize()
    rest = ContinuationFrame(1, data=block[16000:], flags=("END_HEADERS",)).serialize()
    assert "Oversized header block" in reason_for(wire, first + rest)


def test_endless_continuations_are_refused(wire: Wire):
    assert "Too many continuation frames" in reason_for(
        wire, HeadersFrame(1, data=OK_BLOCK).serialize() + ContinuationFrame(1, data=b"").serialize() * 100
    )


def test_a_push_is_refused(wire: Wire):
    push = PushPromiseFrame(1, promised_stream_id=2, data=OK_BLOCK, flags=("END_HEADERS",))
    assert "broke the rules of HTTP/2" in reason_for(wire, push.serialize())


def test_an_endless_trickle_ends_by_the_deadline(wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.request()
        for _ in range(100):
            peer.raw(PingFrame(0).serialize())
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(TransportError, match="no answer within"):
        wire.transport(wire.serve(script).port).call(b"", wire.allow(0.4))
    assert time.monotonic() - began < 0.6


def some_frames() -> st.SearchStrategy[bytes]:
    """Bytes that look like HTTP/2, and some that do not."""
    streams = st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1])
    plain = st.builds(
        lambda kind, flags, stream, body: (
            len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body
        ),
        st.integers(0, 12),
        st.integers(0, 255),
        streams,
        st.binary(max_size=40),
    )
    headers = st.builds(
        lambda block, flags: HeadersFrame(1, data=Encoder().encode(block), flags=flags).serialize(),
        st.lists(
            st.tuples(
                st.sampled_from([":status", "grpc-status", "grpc-message", "content-type", "grpc-status-details-bin"]),
                st.one_of(st.sampled_from(["200", "0", "14", "application/grpc"]), st.text(max_size=8)),
            ),
            max_size=4,
        ),
        st.sampled_from([("END_HEADERS",), ("END_HEADERS", "END_STREAM"), ()]),
    )
    resets = st.builds(lambda code: RstStreamFrame(1, error_code=code).serialize(), st.integers(0, 2**32 - 1))
    return st.one_of(plain, headers, resets, st.binary(max_size=60))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    greet=st.booleans(),
    pieces=st.lists(some_frames(), max_size=6),
    hang_up=st.booleans(),
)
def test_whatever_a_peer_sends_a_call_ends_in_an_answer_or_a_transport_error_by_its_deadline(
    greet: bool, pieces: list[bytes], hang_up: bool
):
    def script(peer: Peer) -> None:
        if greet:
            peer.raw(SETTINGS)
            peer.sock.recv(65536)
        peer.raw(b"".join(pieces))
        if not hang_up:
            peer.read_to_end()

    server, patience = ScriptedServer([script]), Allowed(0.15)
    transport = Http2Transport(Endpoint("127.0.0.1", server.port), "bridge-test/1", timing=QUICK)
    began = time.monotonic()
    try:
        assert isinstance(transport.call(b"request", patience), Answer)
    except TransportError:
        pass
    finally:
        # Without its deadline it would wait for the peer for good: the room is a busy machine's.
        assert time.monotonic() - began < 0.15 + 2
        transport.idle(-1, 0)
        transport.close()
        patience.close()
        server.close()


def test_h2_still_has_the_seams_that_the_transport_replaces():
    """Found by reading h2 4.3: where these are gone, GOAWAY ends the answers that it promises."""
    assert hasattr(H2Connection, "_receive_goaway_frame")
    assert hasattr(H2Connection, "MAX_CLOSED_STREAMS")
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    assert connection.local_settings[SettingCodes.MAX_FRAME_SIZE] == 16384

"""What both transports make of the same bytes, and both send: http2 and grpcio against one scripted peer.

Where they differ the case says both, and docs/decisions/0004-where-transports-differ.md says who is right.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, RstStreamFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import otlp
from bridge.endpoint import Endpoint, parse
from bridge.errors import TransportError
from bridge.otlp import Busy, Delivered, Refused, Unreachable
from bridge.transports import Answer, Transport
from tests.bridge.transports.benches import MAKERS
from tests.bridge.transports.scripted import OK_HEADERS, QUICK, Peer, Script, ScriptedServer, Wire

Make = Callable[..., Transport]
METHOD = b"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
GONE, LOST = "certainly not arrived", "perhaps arrived"


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Iterator[Make]:
    made = []

    def make(endpoint: Endpoint | int, **options: object) -> Transport:
        target = Endpoint("127.0.0.1", endpoint) if isinstance(endpoint, int) else endpoint
        made.append(MAKERS[kind](target, "bridge-test/1", timing=QUICK, **options))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def serve(peer: Peer) -> None:
    peer.greet()
    peer.serve()


def answering(*blocks: tuple[tuple[str, str], ...], body: bytes = b"") -> Script:
    """Answer the first request with these header blocks, the body behind the first one."""

    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        for number, block in enumerate(blocks, 1):
            peer.h2.send_headers(stream_id, block, end_stream=number == len(blocks))
            if body and number == 1:
                peer.h2.send_data(stream_id, body)
        peer.flush()
        peer.read_to_end()

    return script


def resetting(code: int) -> Script:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.frames(RstStreamFrame(peer.request().stream_id, error_code=code))
        peer.read_to_end()

    return script


def going_away_without_the_request(peer: Peer) -> None:
    peer.greet()
    peer.request()
    peer.frames(GoAwayFrame(0, last_stream_id=0))
    peer.read_to_end()


def going_away_with_the_answer(peer: Peer) -> None:
    peer.greet()
    stream_id = peer.request().stream_id
    peer.frames(GoAwayFrame(0, last_stream_id=stream_id))
    peer.answer(stream_id)
    peer.read_to_end()


def saying(data: bytes, *, after_request: bool = False) -> Script:
    def script(peer: Peer) -> None:
        if after_request:
            peer.greet()
            peer.request()
        peer.raw(data)
        peer.read_to_end()

    return script


def silent(peer: Peer) -> None:
    peer.read_to_end()


def hanging_up(peer: Peer) -> None:
    peer.sock.close()


def outcome(transport: Transport, wire: Wire, seconds: float = 2.0) -> str:
    """In one word: the gRPC status that counts, or that there was no answer."""
    try:
        answer = transport.call(b"x", wire.allow(seconds))
    except TransportError as error:
        return LOST if error.may_have_arrived else GONE
    found = otlp.outcome_of(answer)
    assert isinstance(found, Delivered | Busy | Refused)
    return found.status or "?"


BOMB = gzip.compress(bytes(5 << 20))
H, OK = OK_HEADERS, (("grpc-status", "0"),)
CASES: dict[str, tuple[Script, str | tuple[str, str]]] = {
    # OK counts as delivered, whatever stands beside it.
    "OK without a message": (answering(H, OK), "OK"),
    "OK in trailers only": (answering(H + OK), "OK"),
    "OK with a message cut off": (answering(H, OK, body=b"\0\0\0\0\x09ab"), "OK"),
    "OK with an unknown flag": (answering(H, OK, body=b"\7\0\0\0\0"), "OK"),
    "OK with a message that is no protobuf": (answering(H, OK, body=b"\0\0\0\0\x02\xff\xff"), "OK"),
    "OK beside HTTP 503": (answering(((":status", "503"), *H[1:], *OK)), "OK"),
    "OK with a message in an unknown encoding": (
        answering((*H, ("grpc-encoding", "zstd")), OK, body=b"\1\0\0\0\x02ab"),
        ("OK", "INTERNAL"),
    ),
    "OK with a message that is no gzip": (
        answering((*H, ("grpc-encoding", "gzip")), OK, body=b"\1\0\0\0\x02ab"),
        ("OK", "INTERNAL"),
    ),
    "OK with a message that unpacks to more than 4 MiB": (
        answering((*H, ("grpc-encoding", "gzip")), OK, body=b"\1" + len(BOMB).to_bytes(4, "big") + BOMB),
        ("OK", LOST),
    ),
    "OK with two messages": (answering(H, OK, body=bytes(10)), ("OK", LOST)),
    # Answers without a status, or with a broken one.
    "no status": (answering(H, (("x", "y"),)), "UNKNOWN"),
    "HTTP 400": (answering(((":status", "400"),)), "INTERNAL"),
    "HTTP 401": (answering(((":status", "401"),)), LOST),
    "HTTP 403": (answering(((":status", "403"),)), LOST),
    "HTTP 404": (answering(((":status", "404"), ("content-type", "text/html"))), LOST),
    "HTTP 429": (answering(((":status", "429"),)), "UNAVAILABLE"),
    "HTTP 503": (answering(((":status", "503"),)), "UNAVAILABLE"),
    "HTTP 413": (answering(((":status", "413"),)), "UNKNOWN"),
    "HTTP 500": (answering(((":status", "500"),)), LOST),
    "no gRPC at all": (answering(((":status", "200"), ("content-type", "text/html"))), (LOST, "UNKNOWN")),
    "a status that is no number": (answering(H, (("grpc-status", "abc"),)), ("UNKNOWN", "INTERNAL")),
    "details that are no base64": (
        answering(H, (("grpc-status", "8"), ("grpc-status-details-bin", "***"))),
        ("RESOURCE_EXHAUSTED", "INTERNAL"),
    ),
    # The stream's end.
    "RST_STREAM INTERNAL_ERROR": (resetting(2), "INTERNAL"),
    "RST_STREAM REFUSED_STREAM": (resetting(7), GONE),
    "RST_STREAM CANCEL": (resetting(8), "CANCELLED"),
    "RST_STREAM ENHANCE_YOUR_CALM": (resetting(11), "RESOURCE_EXHAUSTED"),
    "RST_STREAM INADEQUATE_SECURITY": (resetting(12), "PERMISSION_DENIED"),
    "GOAWAY below the request": (going_away_without_the_request, (GONE, LOST)),
    "GOAWAY that covers the request": (going_away_with_the_answer, "OK"),
    # The connection's end, and peers that are somebody else.
    "headers beyond the bound": (answering(H + tuple((f"x{i}", "v" * 900) for i in range(40)), OK), LOST),
    "bytes that are no HTTP/2 as an answer": (saying(b"\xff" * 100, after_request=True), LOST),
    "HTTP/1.1": (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), GONE),
    "TLS": (saying(bytes.fromhex("15030100020246")), GONE),
    "nobody who speaks": (silent, GONE),
    "somebody who hangs up": (hanging_up, GONE),
}


@pytest.mark.parametrize("name", CASES)
def test_an_answer_means_the_same_on_both_but_where_the_decision_says_otherwise(
    kind: str, make: Make, wire: Wire, name: str
):
    script, expected = CASES[name]
    on_http2, on_grpcio = (expected, expected) if isinstance(expected, str) else expected
    assert outcome(make(wire.serve(script).port), wire) == (on_http2 if kind == "http2" else on_grpcio)


def test_the_decision_names_every_case_where_they_differ():
    decision = Path(__file__).parents[3] / "docs" / "decisions" / "0004-where-transports-differ.md"
    text = decision.read_text(encoding="utf-8")
    assert not [name for name, (_, expected) in CASES.items() if isinstance(expected, tuple) and name not in text]


def test_behind_a_gateway_without_a_route_the_next_connection_may_lead_to_the_collector(make: Make, wire: Wire):
    server = wire.serve(answering(((":status", "404"), ("content-type", "text/html"))), serve)
    transport = make(server.port)
    assert outcome(transport, wire) == LOST
    assert outcome(transport, wire) == "OK"
    assert len(server.peers) == 2


def test_a_message_beyond_four_mebibytes_is_no_answer(make: Make, wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet()
        stream_id = peer.request().stream_id
        peer.h2.send_headers(stream_id, OK_HEADERS)
        unsent = memoryview(b"\0" + (5 << 20).to_bytes(4, "big") + bytes(5 << 20))
        while unsent:
            while not (room := min(peer.h2.local_flow_control_window(stream_id), 16384, len(unsent))):
                peer.read()
            peer.h2.send_data(stream_id, unsent[:room])
            unsent = unsent[room:]
            peer.flush()
        peer.h2.send_headers(stream_id, OK, end_stream=True)
        peer.flush()
        peer.read_to_end()

    assert outcome(make(wire.serve(script).port), wire, 5) == LOST


def test_a_request_carries_what_grpc_asks_for_and_the_users_headers(make: Make, wire: Wire):
    server = wire.serve(serve)
    metadata = (("x-tenant", "blue, green"), ("x-empty", ""), ("x-trace-bin", "ab€"))
    assert make(server.port, headers=metadata).call(b"message", wire.allow(7)).status == 0
    request = server.peers[0].requests[1]
    headers = dict(request.headers)
    assert headers[b":method"] == b"POST"
    assert headers[b":scheme"] == b"http"
    assert headers[b":path"] == METHOD
    assert headers[b":authority"] == b"127.0.0.1:%d" % server.port
    assert headers[b"te"] == b"trailers"
    assert headers[b"content-type"] == b"application/grpc"
    assert headers[b"user-agent"].startswith(b"bridge-test/1")
    assert headers[b"grpc-timeout"][-1:] in b"mSun"
    assert headers[b"x-tenant"] == b"blue, green"
    assert headers[b"x-empty"] == b""
    assert headers[b"x-trace-bin"] == base64.b64encode("ab€".encode()).rstrip(b"=")
    assert request.body == b"\0\0\0\0\x07message"


def test_a_user_agent_is_cut_down_to_what_a_header_may_hold(wire: Wire, kind: str):
    server = wire.serve(serve)
    transport = MAKERS[kind](Endpoint("127.0.0.1", server.port), " brücke\r\n/1 ", timing=QUICK)
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    assert dict(server.peers[0].requests[1].headers)[b"user-agent"].startswith(b"br?cke?/1")


def test_gzip_is_said_and_done(make: Make, wire: Wire):
    server = wire.serve(serve)
    assert make(server.port, gzip=True).call(b"message" * 999, wire.allow()).status == 0
    request = server.peers[0].requests[1]
    assert dict(request.headers)[b"grpc-encoding"] == b"gzip"
    assert request.body[0] == 1
    assert len(request.body) < 999


def test_settings_that_change_between_calls_are_followed(make: Make, wire: Wire):
    def script(peer: Peer) -> None:
        peer.greet({SettingCodes.INITIAL_WINDOW_SIZE: 100})
        for window in (7, 1 << 20, 65_535):
            peer.answer(peer.request().stream_id)
            peer.h2.update_settings(
                {SettingCodes.INITIAL_WINDOW_SIZE: window, SettingCodes.HEADER_TABLE_SIZE: window % 4096}
            )
            peer.flush()
        peer.serve()

    server = wire.serve(script)
    transport = make(server.port)
    for size in (5, 1000, 100_000, 1000):
        assert transport.call(bytes(size), wire.allow()).status == 0
    assert [len(request.body) - 5 for request in server.peers[0].requests.values()] == [5, 1000, 100_000, 1000]


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "collector.sock"


def test_a_unix_socket_serves_as_well(make: Make, wire: Wire, socket_path: Path):
    server = ScriptedServer((serve,), unix_path=socket_path)
    transport = make(parse(f"unix://{socket_path}"))
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    server.close()
    assert dict(server.peers[0].requests[1].headers)[b":authority"] == b"localhost"
    assert outcome(transport, wire) == GONE  # the socket is there, nobody listens
    socket_path.unlink()
    assert outcome(transport, wire) == GONE
    server = ScriptedServer((serve,), unix_path=socket_path)
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    server.close()


@pytest.mark.parametrize("target", ["localhost:{port}", "dns:///localhost:{port}", "http://127.0.0.1:{port}"])
def test_names_and_addresses_lead_to_the_same_place(make: Make, wire: Wire, target: str):
    server = wire.serve(serve)
    assert make(parse(target.format(port=server.port))).call(b"", wire.allow()).status == 0


def test_an_ipv6_address_is_connected_to(make: Make, wire: Wire):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    server = ScriptedServer((serve,), listener=listener)
    transport = make(parse(f"http://[::1]:{server.port}"))
    assert transport.call(b"", wire.allow()).status == 0
    transport.close()
    server.close()
    assert dict(server.peers[0].requests[1].headers)[b":authority"] == b"[::1]:%d" % server.port


def test_a_name_that_nobody_knows_is_unreachable(make: Make, wire: Wire):
    found = otlp.export(make(parse("dns:///nobody.invalid:4317")), [b"x"], wire.allow(4))
    assert isinstance(found, Unreachable)
    assert not found.may_have_arrived


@pytest.mark.parametrize("variable", ["http_proxy", "grpc_proxy", "https_proxy"])
def test_no_proxy_is_taken_from_the_environment(make: Make, wire: Wire, monkeypatch: pytest.MonkeyPatch, variable: str):
    proxy, server = wire.serve(silent), wire.serve(serve)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    assert make(parse(f"localhost:{server.port}")).call(b"", wire.allow()).status == 0
    assert not proxy.peers


def test_a_slow_answer_is_waited_for_and_the_pings_of_three_slow_calls_earn_no_goaway(make: Make, wire: Wire):
    """Each is silent for longer than the first PING takes; the peer's patience with PINGs is gRPC's default, two."""

    def script(peer: Peer) -> None:
        peer.greet()
        while True:
            stream_id = peer.request().stream_id
            until = time.monotonic() + 0.25
            peer.sock.settimeout(0.02)
            while time.monotonic() < until:
                try:
                    peer.read()
                except TimeoutError:
                    continue
            peer.sock.settimeout(10)
            peer.answer(stream_id)

    server = wire.serve(script)
    transport = make(server.port)
    for _ in range(3):
        assert transport.call(b"", wire.allow()).status == 0
    assert len(server.peers) == 1


def test_a_peer_that_went_silent_is_known_long_before_the_deadline(make: Make, wire: Wire, kind: str):
    def script(peer: Peer) -> None:
        peer.greet()
        peer.answer(peer.request().stream_id)
        peer.request()
        time.sleep(3)  # neither an answer nor an acknowledgement of a PING

    transport = make(wire.serve(script, serve).port)
    assert transport.call(b"", wire.allow()).status == 0
    began = time.monotonic()
    assert outcome(transport, wire, 10) == LOST
    # grpcio's core asks at most once a second, whatever it is told.
    assert time.monotonic() - began < (2.0 if kind == "http2" else 3.0)
    assert transport.call(b"", wire.allow()).status == 0


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(pieces=st.lists(st.binary(max_size=40), max_size=4), greet=st.booleans(), hang_up=st.booleans())
def test_whatever_bytes_come_a_call_ends_by_its_deadline_in_an_answer_or_a_transport_error(
    kind: str, pieces: list[bytes], greet: bool, hang_up: bool
):
    def script(peer: Peer) -> None:
        if greet:
            peer.greet()
            peer.request()
        for piece in pieces:
            peer.raw(piece)
        if not hang_up:
            peer.read_to_end()

    wire, server = Wire(), ScriptedServer((script,))
    transport = MAKERS[kind](Endpoint("127.0.0.1", server.port), "bridge-test/1", timing=QUICK)
    began = time.monotonic()
    try:
        with contextlib.suppress(TransportError):
            assert isinstance(transport.call(b"x", wire.allow(0.5)), Answer)
    finally:
        transport.close()
        server.close()
        wire.close()
    assert time.monotonic() - began < 2.0

"""Both transports against real servers: the Collector (Go), grpcio's (C core) and @grpc/grpc-js (Node)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge import otlp
from bridge.endpoint import Tls
from bridge.errors import TransportError
from bridge.otlp import Busy, Delivered, Refused, Unreachable
from bridge.transports import Transport
from tests.bridge.transports.authority import Authority
from tests.bridge.transports.benches import MAKERS
from tests.bridge.transports.scripted import Allowed
from tests.integration.real_servers import SERVERS, Collector, RealServer, ServerTls, Start, request

Connect = Callable[..., Transport]
RETRY_INFO = "08081a300a28" + b"type.googleapis.com/google.rpc.RetryInfo".hex() + "12040a020803"


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    server = SERVERS[request.param](tmp_path)
    yield server
    getattr(server, "close", server.stop)()


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(server: RealServer, kind: str) -> Iterator[Connect]:
    made = []

    def connect(tls: Tls | None = None, **options: object) -> Transport:
        made.append(MAKERS[kind](server.endpoint._replace(tls=tls), "interoperability/1", **options))
        return made[-1]

    yield connect
    for transport in made:
        transport.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def export(transport: Transport, *bodies: bytes, seconds: float = 10.0) -> otlp.Outcome:
    patience = Allowed(seconds)
    try:
        return otlp.export(transport, bodies, patience)
    finally:
        patience.close()


def server_tls(authority: Authority, folder: Path, *, mutual: bool = False) -> ServerTls:
    key, certificates = authority.server_files()
    paths = folder / "server.key", folder / "server.pem"
    for path, data in zip(paths, (key, certificates), strict=True):
        path.write_bytes(data)
    return ServerTls(*paths, authority.path if mutual else None)


def want(**answer: object) -> tuple[tuple[str, str], ...]:
    return (("x-want", json.dumps(answer)),)


def test_requests_of_many_sizes_arrive_in_order_alone_and_together(server: RealServer, connect: Connect):
    server.start(Start())
    transport = connect()
    for number in range(50):
        assert export(transport, request(number)) == Delivered()
    assert export(transport, *(request(number, note="n" * 2000) for number in range(50, 150))) == Delivered()
    assert export(transport, request(150, note="n" * 3_000_000)) == Delivered()
    assert export(transport, request()) == Delivered()
    assert server.received() == list(range(151))


def test_gzip_is_understood(server: RealServer, connect: Connect):
    server.start(Start())
    transport = connect(gzip=True)
    for number in range(3):
        assert export(transport, request(number, note="n" * 100_000)) == Delivered()
    assert server.received() == [0, 1, 2]


def test_a_request_beyond_the_servers_bound_is_refused_for_good_and_the_next_one_taken(
    server: RealServer, connect: Connect
):
    server.start(Start())
    transport = connect()
    outcome = export(transport, request(0, note="n" * (5 << 20)))
    assert isinstance(outcome, Refused)
    assert outcome.status == "RESOURCE_EXHAUSTED"
    assert export(transport, request(1)) == Delivered()


def test_tls_and_mutual_tls(server: RealServer, connect: Connect, authority: Authority, tmp_path: Path):
    server.start(Start(tls=server_tls(authority, tmp_path, mutual=True)))
    transport = connect(authority.tls(*authority.client()))
    for number in range(3):
        assert export(transport, request(number, note="n" * 100_000)) == Delivered()
    assert server.received() == [0, 1, 2]
    without = export(connect(authority.tls()), request(3))
    assert isinstance(without, Unreachable)
    assert not without.may_have_arrived


def test_tls_with_the_servers_certificate_alone(
    server: RealServer, connect: Connect, authority: Authority, tmp_path: Path
):
    server.start(Start(tls=server_tls(authority, tmp_path)))
    assert export(connect(authority.tls()), request(1)) == Delivered()
    stranger = Authority(tmp_path, "stranger")
    assert isinstance(export(connect(stranger.tls()), request(2)), Unreachable)
    assert server.received() == [1]


def test_plain_meets_tls_and_tls_meets_plain_in_one_clear_sentence(
    server: RealServer, connect: Connect, authority: Authority, tmp_path: Path, kind: str
):
    server.start(Start())
    to_plain = export(connect(authority.tls()), request(1), seconds=5)
    server.stop()
    server.start(Start(tls=server_tls(authority, tmp_path)))
    to_tls = export(connect(), request(2), seconds=5)
    for outcome in (to_plain, to_tls):
        assert isinstance(outcome, Unreachable)
        assert not outcome.may_have_arrived
    if kind == "http2":
        assert "TLS" in to_plain.reason
        assert "TLS" in to_tls.reason
    assert server.received() == []


def test_a_unix_socket(server: RealServer, connect: Connect, tmp_path: Path):
    server.start(Start(unix_path=tmp_path / "collector.sock"))
    transport = connect()
    for number in range(3):
        assert export(transport, request(number)) == Delivered()
    assert server.received() == [0, 1, 2]


def test_a_server_that_was_killed_and_is_back_is_found_by_the_next_call(server: RealServer, connect: Connect):
    server.start(Start())
    transport = connect()
    for number in range(3):
        assert export(transport, request(number)) == Delivered()
        server.stop()
        assert isinstance(export(transport, request(99)), Unreachable)
        server.start(Start())
    assert export(transport, request(3)) == Delivered()
    assert server.received() == [0, 1, 2, 3]


def test_connections_that_the_server_ends_by_age_cost_no_error_and_no_update(server: RealServer, connect: Connect):
    server.start(Start(connection_age_seconds=0.3))
    transport = connect()
    ends_at = time.monotonic() + 3
    sent = 0
    while time.monotonic() < ends_at:
        assert export(transport, request(sent)) == Delivered()
        sent += 1
        transport.idle(-1, 0.01)
    assert server.received() == list(range(sent))


# What a server is asked to answer. The Collector cannot be asked: it makes its own answers.

asked = pytest.mark.parametrize("server", [name for name in SERVERS if name != "collector-go"], indirect=True)


@asked
@pytest.mark.parametrize("status", range(1, 17))
def test_every_status_and_its_words_come_across(server: RealServer, connect: Connect, status: int):
    server.start(Start())
    outcome = export(connect(headers=want(status=status, message="weil 5 € > 3 % sind")), request(1))
    name = otlp.STATUS_NAMES[status]
    assert isinstance(outcome, Busy if name in otlp.RETRYABLE else Refused)
    assert outcome.reason == f"{name}: weil 5 € > 3 % sind"


@asked
def test_retry_info_and_partial_success_come_across(server: RealServer, connect: Connect):
    server.start(Start())
    outcome = export(connect(headers=want(status=8, message="later", details=RETRY_INFO)), request(1))
    assert outcome == Busy("RESOURCE_EXHAUSTED: later", 3.0, "RESOURCE_EXHAUSTED")
    assert export(connect(headers=want(body="0a06080212026e6f")), request(1)) == Delivered(2, "no")


@asked
def test_a_call_that_hangs_ends_by_its_deadline_and_by_a_stop(server: RealServer, connect: Connect):
    server.start(Start())
    transport = connect(headers=want(hang=True))
    began = time.monotonic()
    outcome = export(transport, request(1), seconds=0.5)
    # A server was told the deadline, and may say first that it is over.
    assert isinstance(outcome, Unreachable) or (isinstance(outcome, Busy) and outcome.status == "DEADLINE_EXCEEDED")
    patience = Allowed(30)
    threading.Timer(0.3, patience.shorten, (0,)).start()
    with pytest.raises(TransportError):
        transport.call(request(2), patience)
    patience.close()
    assert time.monotonic() - began < 1.5


# The Collector's own answers.


collector = pytest.mark.parametrize("server", ["collector-go"], indirect=True)


@collector
def test_the_collector_refuses_what_is_no_request(server: RealServer, connect: Connect):
    server.start(Start())
    transport = connect()
    outcome = export(transport, b"\xff\xff\xff")
    assert isinstance(outcome, Refused)
    assert export(transport, request(1)) == Delivered()


@collector
def test_the_collector_asks_for_patience_while_nobody_stands_behind_it(server: Collector, connect: Connect):
    server.start(Start())
    transport = connect()
    assert export(transport, request(1)) == Delivered()
    server._sink.stop()
    outcome = export(transport, request(2), seconds=20)
    assert isinstance(outcome, Busy)
    assert outcome.status == "UNAVAILABLE"
    server._sink.start(Start())
    ends_at = time.monotonic() + 15
    while export(transport, request(3)) != Delivered():
        assert time.monotonic() < ends_at, "the Collector never found its sink again"
        transport.idle(-1, 0.2)
    assert server.received()[-1] == 3

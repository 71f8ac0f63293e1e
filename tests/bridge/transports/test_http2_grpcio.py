"""The same transport against gRPC's own server (C core): what a real peer does, without a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from bridge import otlp
from bridge.errors import TransportError
from bridge.otlp import Busy, Delivered, Refused
from bridge.transports.http2 import Http2Transport
from bridge.transports.waiting import DEFAULT_TIMING
from tests.bridge.transports.scripted import Wire

Handler = Callable[[bytes, grpc.ServicerContext], bytes]


class Server:
    """A grpcio server whose answers the test decides; it can end and come back on its port."""

    def __init__(self) -> None:
        self.handler: Handler = lambda _message, _context: b""
        self.messages: list[bytes] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.port = 0
        self.start()

    def start(self, **options: int) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(2),
            options=[("grpc.so_reuseport", 0), *((f"grpc.{name}", value) for name, value in options.items())],
        )
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self, grace: float | None = None) -> threading.Event:
        return self._server.stop(grace)

    def answer(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        self.messages.append(message)
        self.metadata.append(dict(context.invocation_metadata()))
        return self.handler(message, context)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: Server) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return grpc.unary_unary_rpc_method_handler(self._server.answer) if details.method == otlp.METHOD else None


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop().wait(5)


@pytest.fixture
def transport(server: Server, wire: Wire) -> Http2Transport:
    return wire.transport(server.port, timing=DEFAULT_TIMING)


@pytest.mark.parametrize("size", [0, 1, 1135, 65_535, 65_536, 300_000, 3_900_000])
def test_messages_of_every_size_arrive_whole(server: Server, transport: Http2Transport, wire: Wire, size: int):
    message = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    began = time.monotonic()
    for _ in range(2):
        assert otlp.export(transport, [message], wire.allow()) == Delivered()
    assert server.messages == [message, message]
    assert time.monotonic() - began < 1.0, "sending waits for something that does not come"


def test_gzip_is_understood_both_ways(server: Server, wire: Wire):
    def handler(_message: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_compression(grpc.Compression.Gzip)
        return b"\x0a\x3f\x12\x3d" + b"a" * 61

    server.handler = handler
    transport = wire.transport(server.port, gzip=True)
    assert otlp.export(transport, [b"points" * 100], wire.allow()) == Delivered(0, "a" * 61)
    assert server.messages == [b"points" * 100]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_is_understood(server: Server, transport: Http2Transport, wire: Wire, code: grpc.StatusCode):
    server.handler = lambda _message, context: context.abort(code, "weil 5 € > 3 % sind")
    outcome = otlp.export(transport, [b""], wire.allow())
    assert isinstance(outcome, Busy if code.name in otlp.RETRYABLE else Refused)
    assert outcome.status == code.name
    assert outcome.reason == f"{code.name}: weil 5 € > 3 % sind"


def test_retry_info_is_found_in_the_trailers(server: Server, transport: Http2Transport, wire: Wire):
    type_url = b"type.googleapis.com/google.rpc.RetryInfo"
    details = bytes.fromhex("0808 1a30 0a28") + type_url + bytes.fromhex("1204 0a02 0803")

    def handler(_message: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")

    server.handler = handler
    outcome = otlp.export(transport, [b""], wire.allow())
    assert outcome == Busy("RESOURCE_EXHAUSTED: later", 3.0, "RESOURCE_EXHAUSTED")


def test_an_unknown_method_is_refused_for_good(server: Server, transport: Http2Transport, wire: Wire):
    server._server.stop(None).wait(5)
    server._server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    assert server._server.add_insecure_port(f"127.0.0.1:{server.port}") == server.port
    server._server.start()
    outcome = otlp.export(transport, [b""], wire.allow())
    assert isinstance(outcome, Refused)
    assert outcome.status == "UNIMPLEMENTED"


def test_the_server_learns_the_deadline_and_is_told_when_the_call_is_given_up(
    server: Server, transport: Http2Transport, wire: Wire
):
    remaining, cancelled = [], threading.Event()

    def handler(_message: bytes, context: grpc.ServicerContext) -> bytes:
        remaining.append(context.time_remaining())
        context.add_callback(cancelled.set)
        cancelled.wait(5)
        return b""

    server.handler = handler
    patience = wire.allow(4)
    # Shorter than what the server was told: else both give up at the same moment, and either may be first.
    threading.Timer(0.3, patience.shorten, (0,)).start()
    with pytest.raises(TransportError) as caught:
        transport.call(b"", patience)
    assert caught.value.may_have_arrived
    assert 3 < remaining[0] <= 4
    assert cancelled.wait(2)
    server.handler = lambda _message, _context: b""
    assert transport.call(b"", wire.allow()).status == 0


def test_a_server_that_drains_answers_the_call_in_flight(server: Server, transport: Http2Transport, wire: Wire):
    asked, release = threading.Event(), threading.Event()

    def handler(_message: bytes, _context: grpc.ServicerContext) -> bytes:
        asked.set()
        release.wait(5)
        return b""

    server.handler = handler
    stopped: list[threading.Event] = []

    def drain() -> None:
        asked.wait(5)
        stopped.append(server.stop(5))
        threading.Timer(0.2, release.set).start()

    threading.Thread(target=drain).start()
    assert transport.call(b"in flight", wire.allow()).status == 0
    stopped[0].wait(5)
    with pytest.raises(TransportError, match="refused") as caught:
        transport.call(b"", wire.allow())
    assert not caught.value.may_have_arrived


def test_a_server_that_is_back_is_found_by_the_next_call(server: Server, transport: Http2Transport, wire: Wire):
    for number in range(5):
        assert transport.call(b"%d" % number, wire.allow()).status == 0
        server.stop().wait(5)
        server.start()
    assert server.messages == [b"%d" % number for number in range(5)]


def test_connections_of_a_short_life_cost_no_error(server: Server, transport: Http2Transport, wire: Wire):
    server.stop().wait(5)
    server.start(max_connection_age_ms=50, max_connection_age_grace_ms=1000)
    for number in range(60):
        assert transport.call(b"%d" % number, wire.allow()).status == 0
        transport.idle(-1, 0.01)
    assert server.messages == [b"%d" % number for number in range(60)]


def test_pings_of_hung_calls_earn_no_goaway(server: Server, wire: Wire):
    """Three calls that hang for longer than both pings take: the server's patience with pings is two."""
    release = threading.Event()
    server.handler = lambda _message, _context: (release.wait(10) and b"") or b""
    transport = wire.transport(server.port)
    for _ in range(3):
        patience = wire.allow(8)
        threading.Timer(0.8, patience.shorten, (0,)).start()
        with pytest.raises(TransportError, match="no answer within"):
            transport.call(b"", patience)
    release.set()
    assert transport.call(b"", wire.allow()).status == 0

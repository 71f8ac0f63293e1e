"""From a name to a connection: every address is tried, nothing is waited for too long."""

from __future__ import annotations

import _thread
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from bridge.endpoint import parse
from bridge.errors import TransportError
from bridge.transports.dialing import Address, DialError, Resolver, _connect, spread
from bridge.transports.http2 import Http2Transport
from bridge.transports.waiting import DEFAULT_TIMING, Waiting
from tests.bridge.transports.scripted import QUICK, Peer, Wire

Found = tuple[socket.AddressFamily, int, int, str, tuple[str, int]]


def serve(peer: Peer) -> None:
    peer.greet()
    peer.serve()


def found(*addresses: tuple[str, int]) -> Sequence[Found]:
    return [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]


def reason_of(transport: Http2Transport, wire: Wire, seconds: float = 5.0) -> str:
    with pytest.raises(TransportError) as caught:
        transport.call(b"", wire.allow(seconds))
    assert not caught.value.may_have_arrived
    return caught.value.reason


@pytest.fixture
def waiting(wire: Wire) -> Waiting:
    return Waiting(wire.allow(), time.monotonic)


@pytest.fixture
def refused() -> Iterator[int]:
    """A port that nobody listens on and nobody can take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def backlogged() -> Iterator[int]:
    """A port whose queue of connections is full: further ones hang."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


def test_a_refused_connection_is_said_at_once(wire: Wire, refused: int):
    assert reason_of(wire.transport(refused), wire) == f"127.0.0.1:{refused}: refused the connection"


def test_a_name_is_resolved_anew_for_each_connection_and_every_address_is_tried(wire: Wire, refused: int):
    server = wire.serve(serve)
    asked = []

    def look_up(*question: object, **_options: object) -> Sequence[Found]:
        asked.append(question)
        return found(("::1", refused), ("127.0.0.1", refused), ("127.0.0.1", server.port))

    transport = wire.transport(4317, "collector.example", look_up=look_up)
    for _ in range(2):
        assert transport.call(b"", wire.allow()).status == 0
        transport.close()
    assert asked == [(b"collector.example", 4317)] * 2
    assert dict(server.peers[0].requests[1].headers)[b":authority"] == b"collector.example:4317"


def test_the_reasons_of_all_addresses_are_told(wire: Wire, refused: int):
    transport = wire.transport(
        1, "name", look_up=lambda *_, **__: found(("127.0.0.2", refused), ("127.0.0.1", refused))
    )
    reason = reason_of(transport, wire)
    assert reason == f"127.0.0.2:{refused}: refused the connection; 127.0.0.1:{refused}: refused the connection"


def test_an_unknown_name_is_said(wire: Wire):
    def look_up(*_: object, **__: object) -> Sequence[Found]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    reason = reason_of(wire.transport(1, "nowhere.invalid", look_up=look_up), wire)
    assert reason == "the name 'nowhere.invalid' could not be resolved: Name or service not known"


def test_a_resolver_that_hangs_is_given_up_in_time_and_asked_only_once(wire: Wire):
    server = wire.serve(serve)
    release, asked = threading.Event(), []

    def look_up(*question: object, **_options: object) -> Sequence[Found]:
        asked.append(question)
        release.wait(10)
        return found(("127.0.0.1", server.port))

    transport = wire.transport(1, "name", look_up=look_up)
    began = time.monotonic()
    assert "not resolved within 0.3 s" in reason_of(transport, wire)
    assert "time was over" in reason_of(transport, wire, 0.1)
    assert time.monotonic() - began < 0.8
    assert len(asked) == 1
    release.set()
    assert transport.call(b"", wire.allow()).status == 0


def test_a_stop_ends_a_look_up_that_hangs(wire: Wire):
    release = threading.Event()
    transport = wire.transport(1, "name", look_up=lambda *_, **__: release.wait(10) and [])
    patience = wire.allow(30)
    threading.Timer(0.1, lambda: patience.shorten(0)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        transport.call(b"", patience)
    assert time.monotonic() - began < 0.3
    release.set()


def test_a_literal_ipv6_address_needs_no_resolver_and_stands_in_brackets(wire: Wire, refused: int):
    def look_up(*_: object, **__: object) -> Sequence[Found]:
        raise AssertionError

    assert reason_of(wire.transport(refused, "::1", look_up=look_up), wire).startswith(f"[::1]:{refused}: ")


def test_an_address_that_never_accepts_is_left_for_the_next_one(wire: Wire, backlogged: int):
    server = wire.serve(serve)
    transport = wire.transport(
        1, "name", look_up=lambda *_, **__: found(("127.0.0.1", backlogged), ("127.0.0.1", server.port))
    )
    began = time.monotonic()
    assert transport.call(b"", wire.allow()).status == 0
    assert QUICK.connect <= time.monotonic() - began < QUICK.connect + 0.4


def test_an_address_that_never_accepts_takes_no_more_than_its_share_of_a_short_call(wire: Wire, backlogged: int):
    server = wire.serve(serve)
    addresses = found(*(("127.0.0.1", port) for port in (backlogged, server.port)))
    assert DEFAULT_TIMING.connect > 1.0
    transport = wire.transport(1, "name", timing=DEFAULT_TIMING, look_up=lambda *_, **__: addresses)
    began = time.monotonic()
    assert transport.call(b"", wire.allow(1.0)).status == 0
    assert 0.5 <= time.monotonic() - began < 0.9


def test_an_address_that_accepts_and_says_nothing_takes_no_more_than_its_share(wire: Wire):
    silent = [wire.serve(Peer.read_to_end).port for _ in range(3)]
    server = wire.serve(serve)
    addresses = found(*(("127.0.0.1", port) for port in (*silent, server.port)))
    transport = wire.transport(1, "name", timing=DEFAULT_TIMING, look_up=lambda *_, **__: addresses)
    began = time.monotonic()
    assert transport.call(b"", wire.allow(1.2)).status == 0
    assert 0.9 <= time.monotonic() - began < 1.2


def test_the_last_address_has_all_the_time_that_is_left(wire: Wire, refused: int):
    def slow(peer: Peer) -> None:
        time.sleep(0.6)  # more than half of the call's time
        serve(peer)

    addresses = found(("::1", refused), ("127.0.0.1", wire.serve(slow).port))
    transport = wire.transport(1, "name", timing=DEFAULT_TIMING, look_up=lambda *_, **__: addresses)
    assert transport.call(b"", wire.allow(1.0)).status == 0


def test_the_time_that_an_address_had_is_told_in_two_digits(wire: Wire, backlogged: int):
    addresses = found(("127.0.0.1", backlogged), ("127.0.0.2", backlogged))
    transport = wire.transport(1, "name", timing=DEFAULT_TIMING, look_up=lambda *_, **__: addresses)
    assert f"127.0.0.1:{backlogged}: did not accept the connection within 0.5 s" in reason_of(transport, wire, 1.0)


def test_a_stop_ends_a_connect_that_hangs(wire: Wire, backlogged: int):
    patience = wire.allow(30)
    threading.Timer(0.1, lambda: patience.shorten(0)).start()
    began = time.monotonic()
    with pytest.raises(TransportError):
        wire.transport(backlogged).call(b"", patience)
    assert time.monotonic() - began < 0.3


def test_a_peer_that_accepts_and_says_nothing_is_left_for_the_next_one(wire: Wire):
    def silent(peer: Peer) -> None:
        peer.read_to_end()

    silent_one, server = wire.serve(silent), wire.serve(serve)
    transport = wire.transport(
        1, "name", look_up=lambda *_, **__: found(("127.0.0.1", silent_one.port), ("127.0.0.1", server.port))
    )
    assert transport.call(b"", wire.allow()).status == 0
    assert "did not speak HTTP/2 within 0.3 s" in reason_of(wire.transport(silent_one.port), wire)


def test_a_connection_to_itself_counts_as_refused(wire: Wire):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        itself = sock.getsockname()
        with pytest.raises(ConnectionRefusedError):
            _connect(sock, (socket.AF_INET, itself), Waiting(wire.allow(), time.monotonic), 1.0)
        assert sock.getpeername() == itself


@pytest.mark.parametrize("order", [sorted, lambda found: sorted(found, reverse=True)])
def test_addresses_of_a_family_are_shuffled_and_families_take_turns_the_preferred_one_first(
    order: Callable[[list[Address]], list[Address]],
):
    six = [(socket.AF_INET6, (f"::{number}", 1)) for number in range(3)]
    four = [(socket.AF_INET, (f"10.0.0.{number}", 1)) for number in range(2)]

    def shuffle(addresses: list[Address]) -> None:
        addresses[:] = order(addresses)

    six_then_four = spread([*six, *six, *four], shuffle)
    assert [family for family, _ in six_then_four] == [socket.AF_INET6, socket.AF_INET] * 2 + [socket.AF_INET6]
    assert [address for address in six_then_four if address[0] == socket.AF_INET6] == order(six)
    assert spread([*four, *six], shuffle)[0] == order(four)[0]
    assert spread([], shuffle) == ()


def test_many_bridges_spread_over_the_replicas_of_a_name(wire: Wire):
    replicas = [wire.serve(serve) for _ in range(3)]
    addresses = found(*(("127.0.0.1", replica.port) for replica in replicas))
    for seed in range(30):
        shuffle = Random(seed).shuffle  # noqa: S311 - the same order in each run of the test
        transport = wire.transport(1, "name", look_up=lambda *_, **__: addresses, shuffle=shuffle)
        for _ in range(2):
            assert transport.call(b"", wire.allow()).status == 0
        transport.close()
    assert sum(len(replica.peers) for replica in replicas) == 30, "each stays with its replica"
    assert all(len(replica.peers) >= 4 for replica in replicas)


def test_a_unix_socket_whose_queue_is_full_is_waited_for_and_given_up_in_time(wire: Wire, tmp_path: Path):
    path = tmp_path / "collector.sock"
    listener, crowd = socket.socket(socket.AF_UNIX), []
    listener.bind(str(path))
    listener.listen(0)
    while True:
        crowd.append(socket.socket(socket.AF_UNIX))
        crowd[-1].setblocking(False)
        if crowd[-1].connect_ex(str(path)):
            break
    transport = Http2Transport(parse(f"unix:{path}"), "bridge-test/1", timing=QUICK)
    began = time.monotonic()
    assert reason_of(transport, wire) == f"unix:{path}: did not accept the connection within 0.3 s"
    assert time.monotonic() - began < 0.6
    patience = wire.allow(30)
    threading.Timer(0.1, lambda: patience.shorten(0)).start()
    with pytest.raises(TransportError):
        transport.call(b"", patience)
    assert time.monotonic() - began < 0.9
    for sock in (listener, *crowd):
        sock.close()


def test_a_unix_socket_that_is_not_there_or_that_nobody_serves_is_said(wire: Wire, tmp_path: Path):
    path = tmp_path / "collector.sock"
    transport = Http2Transport(parse(f"unix:{path}"), "bridge-test/1", timing=QUICK)
    assert reason_of(transport, wire) == f"unix:{path}: no such file or directory"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        assert reason_of(transport, wire) == f"unix:{path}: refused the connection"


def a_resolver(start: Callable[..., object], look_up: Callable[..., Sequence[Found]]) -> Resolver:
    return Resolver(parse("http://collector.example:4317"), look_up, lambda _: None, start)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_thread_that_finds_no_memory_to_begin_is_a_look_up_that_failed_and_the_next_one_works(
    waiting: Waiting,
):
    def dies_at_once(_run: object, _held: object) -> None:
        """What the interpreter does then: it lets go of what the thread was given."""

    resolver = a_resolver(dies_at_once, lambda *_, **__: found(("127.0.0.1", 4317)))
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(DialError, match="could not be resolved: the thread that was to do it ended"):
            resolver.addresses(waiting, 5.0)
    assert open_descriptors() == before
    resolver._start = _thread.start_new_thread
    assert resolver.addresses(waiting, 5.0) == ((socket.AF_INET, ("127.0.0.1", 4317)),)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_thread_that_cannot_be_had_costs_no_descriptor(waiting: Waiting):
    def cannot(_run: object, _held: object) -> None:
        raise RuntimeError("can't start new thread")

    resolver = a_resolver(cannot, lambda *_, **__: found())
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(DialError, match="could not be looked up: can't start new thread"):
            resolver.addresses(waiting, 5.0)
    assert open_descriptors() == before


def test_a_look_up_without_memory_is_one_that_failed(waiting: Waiting):
    def look_up(*_: object, **__: object) -> Sequence[Found]:
        raise MemoryError

    with pytest.raises(DialError, match="could not be resolved: no memory"):
        a_resolver(_thread.start_new_thread, look_up).addresses(waiting, 5.0)

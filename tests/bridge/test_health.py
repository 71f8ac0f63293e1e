"""Live and ready, with reasons; and whoever asks slowly, at length or all the time gets no more than his share."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.delivery import Bounds, Delivery
from bridge.health import CONNECTIONS_MAX, REQUEST_BYTES_MAX, REQUEST_SECONDS_MAX, Health, HealthServer, answer
from bridge.loop import LoopStats
from harness.waiting import wait_until

LOOP = LoopStats(
    reads={"new": 1}, left_out={}, broken_ticks=0, ticked_at_seconds=100.0, news_at_seconds=90.0, trouble=None
)
STATS = (
    Delivery(Bounds(), None)
    .stats()
    ._replace(  # type: ignore[arg-type]  # nothing is drawn
        delivered=1,
        last_delivery_at=99.0,
    )
)


class Bridge:
    """A bridge of figures alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.loop, self.stats, self.sender_is_alive = LOOP, STATS, True
        self.health = Health(
            interval_seconds=10.0,
            loop=lambda: self.loop,
            sender=lambda: self.stats,
            sender_is_alive=lambda: self.sender_is_alive,
            clock=lambda: self.now,
        )

    def asked(self, path: str, method: str = "GET") -> tuple[int, dict[str, object]]:
        head, _, body = answer(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), self.health).partition(
            b"\r\n\r\n"
        )
        return int(head.split()[1]), json.loads(body) if body else {}


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def test_a_bridge_that_reads_and_delivers_is_live_and_ready(bridge: Bridge):
    assert bridge.asked("/live") == (200, {"live": True, "reasons": []})
    assert bridge.asked("/ready?verbose") == (200, {"ready": True, "reasons": []})


def test_a_collector_that_refuses_for_good_speaks_against_being_ready(bridge: Bridge):
    bridge.stats = STATS._replace(refusals_in_a_row=3)
    assert bridge.asked("/live")[0] == 200
    assert bridge.asked("/ready") == (
        503,
        {"ready": False, "reasons": ["the collector has refused 3 calls in a row"]},
    )


def test_neither_the_file_nor_the_collector_has_a_part_in_being_live(bridge: Bridge):
    bridge.loop = LOOP._replace(trouble="/shared/current.json is not there", news_at_seconds=None)
    bridge.stats = STATS._replace(failures_in_a_row=7, last_delivery_at=None)
    assert bridge.asked("/live")[0] == 200
    assert bridge.asked("/ready") == (
        503,
        {
            "ready": False,
            "reasons": ["/shared/current.json is not there", "delivery has failed 7 times in a row"],
        },
    )


def test_a_bridge_that_has_seen_nothing_yet_is_live_and_not_ready(bridge: Bridge):
    bridge.loop = LOOP._replace(ticked_at_seconds=None, news_at_seconds=None)
    bridge.stats = STATS._replace(last_delivery_at=None)
    assert bridge.asked("/live")[0] == 200
    assert bridge.asked("/ready")[1]["reasons"] == ["no metrics file was read yet", "nothing was delivered yet"]


@pytest.mark.parametrize("ticked_at", [100.0, None])
def test_a_loop_that_ticks_no_more_is_not_live(bridge: Bridge, ticked_at: float | None):
    bridge.loop = LOOP._replace(ticked_at_seconds=ticked_at)
    bridge.now = 140.0
    assert bridge.asked("/live")[0] == 200
    bridge.now = 140.5
    assert bridge.asked("/live") == (503, {"live": False, "reasons": ["no tick has ended for 40 s"]})
    assert bridge.asked("/ready")[0] == 503


def test_a_sender_that_has_ended_is_not_live(bridge: Bridge):
    bridge.sender_is_alive = False
    assert bridge.asked("/live") == (503, {"live": False, "reasons": ["the sender has ended"]})


def test_a_bridge_that_drains_is_live_and_no_longer_ready(bridge: Bridge):
    bridge.health.ending = True
    bridge.now = 1e6
    assert bridge.asked("/live")[0] == 200
    assert bridge.asked("/ready") == (503, {"ready": False, "reasons": ["the bridge is ending"]})


def test_other_paths_and_methods_are_refused_and_head_has_no_body(bridge: Bridge):
    assert bridge.asked("/")[0] == 404
    assert bridge.asked("/live", "POST")[0] == 405
    assert bridge.asked("/live", "HEAD") == (200, {})


@given(st.binary(max_size=200))
def test_whatever_is_asked_is_answered(head: bytes):
    assert answer(head + b"\r\n\r\n", Bridge().health).startswith(b"HTTP/1.0 ")


# Over a socket


@pytest.fixture
def server(bridge: Bridge) -> Iterator[HealthServer]:
    made = HealthServer(bridge.health, "127.0.0.1", 0)
    yield made
    made.close()


def connected(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def answered(server: HealthServer, head: bytes = b"GET /live HTTP/1.1\r\n\r\n") -> bytes:
    with connected(server) as client:
        client.sendall(head)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_probe_gets_its_answer_and_the_end_of_the_connection(server: HealthServer):
    head, _, body = answered(server).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["live"] is True


def test_a_request_that_comes_in_pieces_is_answered(server: HealthServer):
    with connected(server) as client:
        for part in (b"GET /re", b"ady HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n"):
            client.sendall(part)
        assert everything(client).startswith(b"HTTP/1.0 200")


def test_a_request_without_an_end_is_cut_off_at_its_bound(server: HealthServer):
    began = time.monotonic()
    with connected(server) as client, pytest.raises(OSError, match=r"reset|pipe"):
        client.sendall(bytes(64 * 2**20))
    assert time.monotonic() - began < REQUEST_SECONDS_MAX / 2, "not only when its time is over"
    assert REQUEST_BYTES_MAX <= 4096
    assert answered(server).startswith(b"HTTP/1.0 200")


def test_whoever_says_nothing_is_let_go_in_time_and_holds_up_nobody(server: HealthServer):
    began = time.monotonic()
    with connected(server) as silent, connected(server) as slow:
        slow.sendall(b"GET")
        assert answered(server).startswith(b"HTTP/1.0 200")
        assert time.monotonic() - began < 1
        assert everything(silent) == b""
        assert everything(slow) == b""
        assert REQUEST_SECONDS_MAX - 0.1 < time.monotonic() - began < REQUEST_SECONDS_MAX + 1


def test_of_many_the_one_that_waited_longest_makes_room(server: HealthServer):
    clients = [connected(server) for _ in range(CONNECTIONS_MAX + 5)]
    wait_until(lambda: len(server._clients) == CONNECTIONS_MAX, within=5, what="a full house")
    assert answered(server).startswith(b"HTTP/1.0 200")
    assert len(server._clients) <= CONNECTIONS_MAX
    assert everything(clients[0]) == b""
    for client in clients:
        client.close()


def test_whoever_hangs_up_leaves_nothing_behind(server: HealthServer):
    for _ in range(20):
        connected(server).close()
    wait_until(lambda: not server._clients, within=5, what="all are gone")
    assert answered(server).startswith(b"HTTP/1.0 200")


def test_an_error_in_the_judging_ends_no_answers(
    server: HealthServer, bridge: Bridge, caplog: pytest.LogCaptureFixture
):
    loop, bridge.loop = bridge.loop, None  # type: ignore[assignment]  # whatever breaks
    with connected(server) as client:
        client.sendall(b"GET /live HTTP/1.1\r\n\r\n")
        wait_until(lambda: "unexpected error" in caplog.text, within=5, what="it is said")
        bridge.loop = loop
        assert everything(client) == b"", "it is let go"
    assert answered(server).startswith(b"HTTP/1.0 200")


def test_a_flood_of_connections_costs_little(server: HealthServer):
    began, cpu_began = time.monotonic(), time.process_time()
    count = 0
    while time.monotonic() - began < 0.5:
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
        time.sleep(0.0005)
        count += 1
    assert count > 100
    wait_until(lambda: not server._clients, within=5, what="all are gone")
    assert answered(server).startswith(b"HTTP/1.0 200")
    assert time.process_time() - cpu_began < 0.6


def test_an_idle_endpoint_takes_no_turns(server: HealthServer):
    turns = 0
    turn = server._turn

    def counted() -> None:
        nonlocal turns
        turns += 1
        turn()

    server._turn = counted  # type: ignore[method-assign]  # to count
    answered(server)
    wait_until(lambda: not server._clients, within=5, what="the client is gone")
    before = turns
    end = time.monotonic() + 0.3
    wait_until(lambda: time.monotonic() > end, within=5, what="some time passes")
    assert turns - before <= 1


def test_closing_gives_the_port_back_at_once(bridge: Bridge):
    server = HealthServer(bridge.health, "127.0.0.1", 0)
    client = connected(server)
    server.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.port))
    client.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_all_addresses_are_those_of_both_families(bridge: Bridge):
    server = HealthServer(bridge.health, "::", 0)
    for host in ("::1", "127.0.0.1"):
        with socket.create_connection((host, server.port), timeout=5) as client:
            client.sendall(b"GET /live HTTP/1.1\r\n\r\n")
            assert everything(client).startswith(b"HTTP/1.0 200 ")
    server.close()


def test_a_port_that_is_taken_is_an_error_of_the_system(server: HealthServer, bridge: Bridge):
    with pytest.raises(OSError, match="in use"):
        HealthServer(bridge.health, "127.0.0.1", server.port)

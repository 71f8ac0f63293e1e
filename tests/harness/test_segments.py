from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks import CHECKS
from harness.control import Control
from harness.observers import segments
from harness.observers.segments import header_bytes
from harness.processes import Process
from harness.samples import WireSample
from tests.harness.histories import good, spec

WITH_TIMESTAMPS, WITHOUT = 52, 40


@pytest.mark.parametrize(
    ("counted", "payload", "timestamps", "expected"),
    [
        (3, 0, True, 3 * WITH_TIMESTAMPS + 8),
        (3, 0, False, 3 * WITHOUT + 20),
        (2, 1448, True, 2 * WITH_TIMESTAMPS + 8),
        (2, 10 * 1448, True, 10 * WITH_TIMESTAMPS + 8),  # loopback sent them in two, Ethernet takes ten
        (2, 10 * 1448 + 1, True, 11 * WITH_TIMESTAMPS + 8),
    ],
)
def test_the_rule_for_one_direction(counted: int, payload: int, timestamps: bool, expected: int):
    assert header_bytes(counted, payload, timestamps=timestamps) == expected


@given(st.integers(0, 10_000), st.integers(0, 10**8), st.booleans())
def test_more_segments_or_payload_never_make_fewer_bytes(counted: int, payload: int, timestamps: bool):
    found = header_bytes(counted, payload, timestamps=timestamps)
    assert header_bytes(counted + 1, payload, timestamps=timestamps) >= found
    assert header_bytes(counted, payload + 1, timestamps=timestamps) >= found
    assert found >= counted * WITHOUT


def test_the_kernel_counts_the_segments_of_a_connection():
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = opened.enter_context(socket.create_connection(listener.getsockname()))
        server = opened.enter_context(listener.accept()[0])
        before = segments.headers_of(server, out_payload=0, in_payload=0, closed=False)
        for _ in range(20):
            client.sendall(b"x")
            assert server.recv(1) == b"x"
            server.sendall(b"y")
            assert client.recv(1) == b"y"
        after = segments.headers_of(server, out_payload=20, in_payload=20, closed=False)
    assert before is not None
    assert after is not None
    assert after.in_bytes - before.in_bytes >= 20 * WITHOUT
    assert after.out_bytes - before.out_bytes >= 20 * WITHOUT


def test_a_closed_socket_tells_nothing():
    one = socket.socket()
    one.close()
    assert segments.headers_of(one, out_payload=0, in_payload=0, closed=False) is None


def test_the_relay_writes_headers_down_and_keeps_those_of_closed_connections(
    start_observer: Callable[..., tuple[Process, Control, int]], tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        out = tmp_path / "wire.jsonl"
        _, control, port = start_observer("relay", "--upstream", str(listener.getsockname()[1]), "--out", str(out))
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            upstream, _ = listener.accept()
            client.sendall(b"x" * 5000)
            received = 0
            while received < 5000:
                received += len(upstream.recv(65536))
            open_one = control.ask("state")
        upstream.close()
        control.ask("cut")
        closed = control.ask("state")
    assert open_one["sent_bytes"] == closed["sent_bytes"] == 5000
    assert open_one["sent_header_bytes"] >= 4 * WITH_TIMESTAMPS  # 5000 bytes are four frames of Ethernet
    assert closed["sent_header_bytes"] >= open_one["sent_header_bytes"]
    assert closed["received_header_bytes"] > 0
    WireSample(**{"t": 0.0, **json.loads(out.read_text().splitlines()[0])})


def test_the_network_rate_counts_headers_and_says_so():
    wire = tuple(WireSample(t, 1000 * t, 100 * t, 1, 500 * t, 400 * t) for t in range(2, 18))
    payload_only = tuple(WireSample(t, 1000 * t, 100 * t, 1) for t in range(2, 18))
    check = CHECKS["network-rate"]
    with_headers = check.judge(good(wire=wire), spec("network-rate", "network"), None)
    without = check.judge(good(wire=payload_only), spec("network-rate", "network"), None)
    assert with_headers.measured == pytest.approx(2000 * 8 / 1e6)
    assert without.measured == pytest.approx(1100 * 8 / 1e6)
    assert "headers of TCP and IP included" in with_headers.reason
    assert "headers" not in without.reason

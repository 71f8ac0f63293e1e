from __future__ import annotations

import contextlib
import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.control import Control, ControlError
from harness.processes import Process
from harness.waiting import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; gives its port and what it saw end."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def relay(start_observer: Callable[..., tuple[Process, Control, int]], echo: int, tmp_path: Path):
    return start_observer(
        "relay", "--upstream", str(echo), "--out", str(tmp_path / "wire.jsonl"), "--sample-seconds", "0.05"
    )


@pytest.fixture
def connect(relay: tuple[Process, Control, int]):
    with contextlib.ExitStack() as opened:

        def connect_once() -> socket.socket:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", relay[2]), 2))
            connection.settimeout(2)
            return connection

        yield connect_once


def echoed(connection: socket.socket, message: bytes = b"hello") -> bytes:
    connection.sendall(message)
    received = b""
    while len(received) < len(message):
        received += connection.recv(65536)
    return received


def dead(connection: socket.socket) -> bool:
    """Takes what is sent, and neither answers nor closes."""
    connection.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        connection.sendall(b"x")
        connection.recv(1)
        return False
    return True


def test_bytes_and_connections_are_counted(
    relay: tuple[Process, Control, int], connect: Callable[[], socket.socket], tmp_path: Path
):
    assert echoed(connect()) == b"hello"
    assert echoed(connect(), b"you") == b"you"
    state = relay[1].ask("state")
    assert (state["sent_bytes"], state["received_bytes"], state["connections"]) == (8, 8, 2)

    def sampled() -> bool:
        last = json.loads((tmp_path / "wire.jsonl").read_text().splitlines()[-1])
        return (last["sent_bytes"], last["received_bytes"], last["connections"]) == (8, 8, 2)

    wait_until(sampled, within=2, what="the counts are sampled")


def test_megabytes_pass_unchanged_when_the_reader_lets_them_pile_up(
    relay: tuple[Process, Control, int], connect: Callable[[], socket.socket]
):
    message = bytes(range(256)) * (64 << 12)
    connection = connect()
    connection.settimeout(20)
    sender = threading.Thread(target=connection.sendall, args=(message,))
    sender.start()
    passed = [-1, relay[1].ask("state")["sent_bytes"]]

    def stuck() -> bool:
        passed.append(relay[1].ask("state")["sent_bytes"])
        return passed[-1] == passed[-2] == passed[-3] > 0

    wait_until(stuck, within=10, what="every buffer on the way is full", every=0.05)
    assert passed[-1] < len(message)
    received = bytearray()
    while len(received) < len(message):
        received += connection.recv(1 << 20)
    sender.join()
    assert received == message


def test_an_end_passes_after_all_bytes_before_it(connect: Callable[[], socket.socket]):
    connection = connect()
    connection.sendall(b"last words")
    connection.shutdown(socket.SHUT_WR)
    received = b""
    while data := connection.recv(100):
        received += data
    assert received == b"last words"


def test_refusing_closes_what_is_open_and_refuses_what_is_new(
    relay: tuple[Process, Control, int], connect: Callable[[], socket.socket]
):
    _, control, _ = relay
    connection = connect()
    echoed(connection)
    assert control.ask("mode", {"mode": "refuse"})["mode"] == "refuse"
    assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect()
    control.ask("mode", {"mode": "forward"})
    assert echoed(connect()) == b"hello"


def test_a_refusing_port_cannot_be_taken_by_a_neighbour(relay: tuple[Process, Control, int]):
    _, control, port = relay
    control.ask("mode", {"mode": "refuse"})
    with socket.socket() as neighbour:
        neighbour.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as most servers do
        with pytest.raises(OSError, match="in use") as taken:
            neighbour.bind(("127.0.0.1", port))
    assert taken.value.errno == errno.EADDRINUSE


def test_connections_of_a_silence_and_before_are_dead_for_ever_and_later_ones_work(
    relay: tuple[Process, Control, int], connect: Callable[[], socket.socket]
):
    _, control, _ = relay
    before = connect()
    echoed(before)
    assert control.ask("mode", {"mode": "silent"})["mode"] == "silent"
    assert dead(before)
    during = connect()
    assert dead(during)
    state = control.ask("mode", {"mode": "forward"})
    assert (state["mode"], state["dead"], state["open"]) == ("forward", 2, 0)
    assert echoed(connect()) == b"hello"
    assert dead(before)
    assert dead(during)


def test_bytes_of_a_silence_are_not_counted(relay: tuple[Process, Control, int], connect: Callable[[], socket.socket]):
    _, control, _ = relay
    connection = connect()
    control.ask("mode", {"mode": "silent"})
    assert dead(connection)
    assert control.ask("mode", {"mode": "forward"})["sent_bytes"] == 0


def test_a_cut_resets_what_is_open_and_new_ones_work(
    relay: tuple[Process, Control, int], connect: Callable[[], socket.socket]
):
    connection = connect()
    echoed(connection)
    relay[1].ask("cut")
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert echoed(connect()) == b"hello"


def test_a_mode_that_there_is_not_is_refused(relay: tuple[Process, Control, int]):
    with pytest.raises(ControlError, match="dance"):
        relay[1].ask("mode", {"mode": "dance"})


def test_without_a_sink_behind_it_a_connection_is_reset(
    start_observer: Callable[..., tuple[Process, Control, int]], tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        unused = closed.getsockname()[1]
    _, _, port = start_observer("relay", "--upstream", str(unused), "--out", str(tmp_path / "w.jsonl"))
    with socket.create_connection(("127.0.0.1", port), 2) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_it_ends_when_its_control_channel_closes(relay: tuple[Process, Control, int]):
    process, control, _ = relay
    control.close()
    ended = process.wait(5)
    assert ended is not None
    assert ended.code == 0

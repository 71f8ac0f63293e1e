"""One vocabulary for what a collector does to a transport, spoken to real transports over a socket and to the fake."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from bridge.endpoint import Endpoint
from bridge.transports import Answer, Transport
from bridge.transports.grpcio import GrpcioTransport
from bridge.transports.http2 import Http2Transport
from tests.bridge.transports.fake import FakeTransport, hang_up, refuse_connection, stay_silent
from tests.bridge.transports.scripted import OK_HEADERS, QUICK, Peer

MAKERS: dict[str, Callable[..., Transport]] = {"http2": Http2Transport, "grpcio": GrpcioTransport}


class Bench(Protocol):
    """A transport and the collector that it talks to, which answers OK until it is told something else."""

    transport: Transport
    messages: list[bytes]

    def answers(self, answer: Answer) -> None: ...
    def stays_silent(self) -> None: ...
    def hangs_up(self) -> None: ...
    def goes_away(self) -> None: ...
    def comes_back(self) -> None: ...
    def close(self) -> None: ...


class FakeBench:
    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.messages = self.transport.messages

    def answers(self, answer: Answer) -> None:
        self.transport.answer = lambda _message, _patience: answer

    def stays_silent(self) -> None:
        self.transport.answer = stay_silent

    def hangs_up(self) -> None:
        self.transport.answer = hang_up

    def goes_away(self) -> None:
        self.transport.answer = refuse_connection

    def comes_back(self) -> None:
        self.answers(Answer(0))

    def close(self) -> None: ...


class WireBench:
    """A collector of its own on a port that stays its own while nobody listens there."""

    def __init__(self, kind: str) -> None:
        self.messages: list[bytes] = []
        self._reply: Callable[[Peer, int], None] = lambda peer, stream_id: send(peer, stream_id, Answer(0))
        self._socks: list[socket.socket] = []
        self._listener = self._bound(0)
        self._port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self.transport = MAKERS[kind](Endpoint("127.0.0.1", self._port), "bridge-test/1", timing=QUICK)
        self.comes_back()

    def answers(self, answer: Answer) -> None:
        self._reply = lambda peer, stream_id: send(peer, stream_id, answer)

    def stays_silent(self) -> None:
        self._reply = lambda _peer, _stream_id: None

    def hangs_up(self) -> None:
        self._reply = lambda peer, _stream_id: peer.sock.shutdown(socket.SHUT_RDWR)

    def goes_away(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = self._bound(self._port)
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def comes_back(self) -> None:
        self._listener.listen()
        self._threads.append(threading.Thread(target=self._accept, args=(self._listener,), daemon=True))
        self._threads[-1].start()

    def close(self) -> None:
        self.transport.close()
        self.goes_away()
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _bound(self, port: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                self._socks.append(sock)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(10)
            peer = Peer(sock)
            peer.greet()
            while True:
                request = peer.request()
                self.messages.append(bytes(request.body[5:]))
                self._reply(peer, request.stream_id)


def send(peer: Peer, stream_id: int, answer: Answer) -> None:
    """Answer as a gRPC server does."""
    trailers = [("grpc-status", str(answer.status))]
    if answer.message:
        trailers.append(("grpc-message", quote(answer.message)))
    if answer.details is not None:
        trailers.append(("grpc-status-details-bin", base64.b64encode(answer.details).decode().rstrip("=")))
    peer.h2.send_headers(stream_id, OK_HEADERS)
    if answer.status == 0:
        peer.h2.send_data(stream_id, b"\0" + len(answer.body).to_bytes(4, "big") + answer.body)
    peer.h2.send_headers(stream_id, trailers, end_stream=True)
    peer.flush()


def bench_of(kind: str) -> Bench:
    return FakeBench() if kind == "fake" else WireBench(kind)

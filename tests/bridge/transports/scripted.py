"""A scripted HTTP/2 server: it says exactly what a test wants, true to the protocol or not."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded
from h2.settings import SettingCodes
from hyperframe.frame import Frame

from bridge.endpoint import Endpoint, Tls
from bridge.transports.dialing import LookUp, Shuffle
from bridge.transports.http2 import Http2Transport
from bridge.transports.waiting import Timing

QUICK = Timing(resolve=0.3, connect=0.3, handshake=0.5, settings=0.3, ping_after=(0.1, 0.2), ping_answer=0.2)
OK_HEADERS = ((":status", "200"), ("content-type", "application/grpc"))


class Allowed:
    """A patience of so many seconds from now, that can be made shorter."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._read_end, self._write_end = os.pipe()
        self.looks = 0

    def deadline(self) -> float:
        self.looks += 1
        return self._deadline

    def fileno(self) -> int:
        return self._read_end

    def shorten(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self.wake()

    def wake(self) -> None:
        os.write(self._write_end, b"x")

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)


@dataclass
class Request:
    stream_id: int
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)


class Peer:
    """One accepted connection on the server's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.h2 = H2Connection(
            H2Configuration(
                client_side=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        self.events: list[Event] = []
        self.requests: dict[int, Request] = {}
        self._taken = 0

    def greet(self, settings: dict[SettingCodes, int] | None = None) -> None:
        for code, value in (settings or {}).items():
            self.h2.local_settings[code] = value
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def frames(self, *frames: Frame) -> None:
        self.sock.sendall(b"".join(frame.serialize() for frame in frames))

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, *, acknowledge: bool = True) -> list[Event]:
        """Take what came next; raises ConnectionError at the end."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the bridge closed the connection")
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, RequestReceived):
                self.requests[event.stream_id] = Request(event.stream_id, list(event.headers))
            elif isinstance(event, DataReceived):
                self.requests[event.stream_id].body += event.data
                if acknowledge and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        self.events += events
        return events

    def request(self, *, acknowledge: bool = True) -> Request:
        """Wait for the next whole request."""
        while True:
            ended = [event.stream_id for event in self.events if isinstance(event, StreamEnded)]
            if len(ended) > self._taken:
                self._taken += 1
                return self.requests[ended[self._taken - 1]]
            self.read(acknowledge=acknowledge)

    def answer(self, stream_id: int, body: bytes = b"\0\0\0\0\0", status: str = "0") -> None:
        self.h2.send_headers(stream_id, OK_HEADERS)
        self.h2.send_data(stream_id, body)
        self.h2.send_headers(stream_id, (("grpc-status", status),), end_stream=True)
        self.flush()

    def serve(self) -> None:
        """Answer OK for as long as the connection lives."""
        while True:
            self.answer(self.request().stream_id)

    def said_goodbye(self) -> bool:
        return any(isinstance(event, ConnectionTerminated) for event in self.events)

    def read_to_end(self) -> bytes:
        """Read, without a word, until the bridge hangs up."""
        gathered = b""
        while data := self.sock.recv(65536):
            gathered += data
        return gathered


Script = Callable[[Peer], None]


class ScriptedServer:
    """Listens; its n-th connection follows the n-th script, further ones the last.

    Where it has a ``context`` it shakes hands by TLS first; who fails there is noted in ``refused``.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        *,
        listener: socket.socket | None = None,
        unix_path: Path | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._scripts = scripts
        if unix_path is not None:
            listener = socket.socket(socket.AF_UNIX)
            unix_path.unlink(missing_ok=True)
            listener.bind(str(unix_path))
            listener.listen(8)
        self._listener = listener or socket.create_server(("127.0.0.1", 0), backlog=8)
        self.port: int = self._listener.getsockname()[1] if unix_path is None else 0
        self.context = context
        self.refused: list[OSError] = []
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            if self.context is not None:
                try:
                    sock = self.context.wrap_socket(sock, server_side=True)
                except OSError as error:
                    self.refused.append(error)
                    sock.close()
                    continue
            peer = Peer(sock)
            script = self._scripts[min(len(self.peers), len(self._scripts) - 1)]
            self.peers.append(peer)
            thread = threading.Thread(target=self._play, args=(script, peer), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, peer: Peer) -> None:
        try:
            script(peer)
        except OSError:
            pass  # the bridge hung up; what that means, the test says
        except Exception as error:  # noqa: BLE001 - reported by the test's own thread
            self.errors.append(error)
        finally:
            peer.sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "a script hangs"


class Wire:
    """What the tests of a transport stand on: scripted servers, transports to them, patiences. Ends what it made."""

    def __init__(self) -> None:
        self._servers: list[ScriptedServer] = []
        self._transports: list[Http2Transport] = []
        self._patiences: list[Allowed] = []

    def serve(self, *scripts: Script, context: ssl.SSLContext | None = None) -> ScriptedServer:
        self._servers.append(ScriptedServer(scripts, context=context))
        return self._servers[-1]

    def transport(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: Tls | None = None,
        headers: Sequence[tuple[str, str]] = (),
        gzip: bool = False,
        timing: Timing = QUICK,
        look_up: LookUp = socket.getaddrinfo,
        shuffle: Shuffle = lambda _: None,
    ) -> Http2Transport:
        target = Endpoint(host, port, tls=tls)
        transport = Http2Transport(
            target, "bridge-test/1", headers=headers, gzip=gzip, timing=timing, look_up=look_up, shuffle=shuffle
        )
        self._transports.append(transport)
        return transport

    def allow(self, seconds: float = 5.0) -> Allowed:
        self._patiences.append(Allowed(seconds))
        return self._patiences[-1]

    def close(self) -> None:
        """A script that broke its own assertion fails the test here."""
        for transport in self._transports:
            transport.close()
        for patience in self._patiences:
            patience.close()
        for server in self._servers:
            server.close()
        broken = [repr(error) for server in self._servers for error in server.errors]
        assert not broken, broken

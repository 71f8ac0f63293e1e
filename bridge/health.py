"""Whether the bridge is live, and whether it is ready, for those who ask over HTTP. Imported only where a port is set.

Live: its loop ticks and its sender lives. Neither the metrics file nor the collector has a part in it: to restart the
bridge would mend neither of them, and would cost what waits. Ready: the file is whole, and the collector takes what it
is sent. The answer is JSON, with the reasons.

The standard library's server costs 3 MiB. This one knows HTTP/1.0 and two paths, holds a few connections for a short
time, and looks at so many in a second and no more: whoever floods it takes nothing from the job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.delivery import Stats
from bridge.loop import LoopStats
from bridge.wakeup import Wakeup

_log = logging.getLogger(__name__)

LATE_INTERVALS, LATE_SECONDS = 3, 10.0
"""A loop that ended no tick for so many intervals and so many seconds more does not tick."""

CONNECTIONS_MAX = 8
"""The one that has waited longest makes room for the next."""
REQUEST_BYTES_MAX = 4096
REQUEST_SECONDS_MAX = 2.0
"""From the connection to the end of the request's head."""
TURN_SECONDS = 0.02
"""From one look at new connections to the next: 400 connections in a second at most."""

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Health:
    """Judges by the figures of both threads. Called by a third one.

    Args:
        interval_seconds: from tick to tick.
        loop: the figures of all that reads.
        sender: the figures of all that delivers.
        sender_is_alive: whether the sender's thread lives.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        interval_seconds: float,
        loop: Callable[[], LoopStats],
        sender: Callable[[], Stats],
        sender_is_alive: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._late_seconds = LATE_INTERVALS * interval_seconds + LATE_SECONDS
        self._loop = loop
        self._sender = sender
        self._sender_is_alive = sender_is_alive
        self._clock = clock
        self._began_at = clock()
        self.ending = False
        """The loop is over and the rest is drained: no tick is missed any more."""

    def against_live(self) -> Iterator[str]:
        """What speaks against its being live; nothing, where it is."""
        ticked_at = self._loop().ticked_at_seconds
        silent_seconds = self._clock() - (self._began_at if ticked_at is None else ticked_at)
        if silent_seconds > self._late_seconds and not self.ending:
            yield f"no tick has ended for {silent_seconds:.0f} s"
        if not self._sender_is_alive():
            yield "the sender has ended"

    def against_ready(self) -> Iterator[str]:
        """What speaks against its being ready; nothing, where it is."""
        if self.ending:
            yield "the bridge is ending"
        yield from self.against_live()
        loop, stats = self._loop(), self._sender()
        if loop.trouble is not None:
            yield loop.trouble
        elif loop.news_at_seconds is None:
            yield "no metrics file was read yet"
        if stats.failures_in_a_row:
            yield f"delivery has failed {stats.failures_in_a_row} times in a row"
        elif stats.refusals_in_a_row:
            yield f"the collector has refused {stats.refusals_in_a_row} calls in a row"
        elif stats.last_delivery_at is None:
            yield "nothing was delivered yet"


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    until: float
    head: bytes = b""


class HealthServer:
    """Answers in a thread of its own.

    Args:
        health: the judge.
        host: a literal address.
        port: 0 lets the system choose.

    Raises:
        OSError: nothing can listen there.
    """

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # All of this machine's addresses are those of IPv4, too.
        every = host == "::" and socket.has_dualstack_ipv6()
        self._listener = socket.create_server(
            (host, port), family=family, backlog=CONNECTIONS_MAX, dualstack_ipv6=every
        )
        self._listener.setblocking(False)
        # Each connection inherits it: what the system holds of those who send without end is bounded, too.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, REQUEST_BYTES_MAX)
        self.port: int = self._listener.getsockname()[1]
        self._clients: dict[int, _Client] = {}  # the one that came first stands first
        self._wakeup = Wakeup()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and give back the port."""
        self._ended = True
        self._wakeup.wake()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._ended:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - what asks must not end what answers
                _log.error("the health endpoint met an unexpected error and goes on", exc_info=error)
                time.sleep(1.0)
        for client in list(self._clients.values()):
            self._drop(client)
        self._listener.close()

    def _turn(self) -> None:
        poll = select.poll()
        for descriptor in (self._listener.fileno(), self._wakeup.fileno(), *self._clients):
            poll.register(descriptor, select.POLLIN)
        until = min((client.until for client in self._clients.values()), default=None)
        ready = [
            found for found, _ in poll.poll(None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1)
        ]
        for descriptor in ready:
            if descriptor in self._clients:
                self._read(self._clients[descriptor])
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.until <= now:
                self._drop(client)
        if self._listener.fileno() in ready:
            self._accept(now)
            time.sleep(TURN_SECONDS)

    def _accept(self, now: float) -> None:
        for _ in range(CONNECTIONS_MAX):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody any more, or already gone, or no descriptors left
                return
            connection.setblocking(False)
            if len(self._clients) >= CONNECTIONS_MAX:
                self._drop(next(iter(self._clients.values())))
            self._clients[connection.fileno()] = _Client(connection, now + REQUEST_SECONDS_MAX)

    def _read(self, client: _Client) -> None:
        try:
            data = client.connection.recv(REQUEST_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.head += data
        if not data or len(client.head) > REQUEST_BYTES_MAX:
            self._drop(client)
        elif b"\r\n\r\n" in client.head or b"\n\n" in client.head:
            with contextlib.suppress(OSError):  # it asked and did not wait
                client.connection.send(answer(client.head, self._health))
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.connection.fileno()]
        client.connection.close()


def answer(head: bytes, health: Health) -> bytes:
    """The whole HTTP answer to the head of a request."""
    words = head.split(b"\n", 1)[0].split()
    if len(words) != 3 or not words[2].startswith(b"HTTP/"):  # noqa: PLR2004 - method, path, version
        return _spelled(400, {"error": "no HTTP request"})
    method, path = words[0], words[1].split(b"?", 1)[0]
    told: dict[str, object]
    judges = {b"/live": health.against_live, b"/ready": health.against_ready}
    if path not in judges:
        status, told = 404, {"error": "there are /live and /ready"}
    elif method not in (b"GET", b"HEAD"):
        status, told = 405, {"error": "GET or HEAD"}
    else:
        reasons = list(judges[path]())
        status, told = 503 if reasons else 200, {path[1:].decode(): not reasons, "reasons": reasons}
    return _spelled(status, told, body=method != b"HEAD")


def _spelled(status: int, told: object, *, body: bool = True) -> bytes:
    text = json.dumps(told).encode() + b"\n"
    head = (
        f"HTTP/1.0 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (text if body else b"")

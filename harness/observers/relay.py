"""A small TCP relay between the bridge and the sink, in a process of its own: counts, refuses, goes silent, cuts.

``python -m harness.observers.relay --upstream [HOST:]PORT --out wire.jsonl [--host HOST] [--control-fd N]
[--sample-seconds S]``

Commands of the control channel: ``state``, ``cut`` (every connection is reset), ``mode`` with one of

- ``forward``: bytes pass
- ``refuse``: connections are closed and new ones refused, as by a collector that was stopped. The port stays ours: a
  bound socket that does not listen holds it.
- ``silent``: nothing is forwarded, answered or closed, as behind a firewall that forgot the connection. Connections of
  the silence and from before it stay open and dead for ever, also after it; those made after it work.

It ends on SIGTERM, or when the control channel closes. Bytes are TCP payload; the headers of IP and TCP are counted
beside them, by the rule of `segments.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from harness import control
from harness.observers import segments
from harness.ports import HOST

MODES = ("forward", "refuse", "silent")
_CHUNK_BYTES = 65536
_UPSTREAM_SECONDS = 1.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection of the bridge, its counterpart to the sink, and what waits to be written to each."""

    def __init__(self, client: socket.socket, upstream: socket.socket) -> None:
        self.client = client
        self.upstream = upstream
        self.pending = {client: b"", upstream: b""}
        self.sent_bytes = self.received_bytes = 0
        self.ended: set[socket.socket] = set()

    def other(self, end: socket.socket) -> socket.socket:
        """The opposite end."""
        return self.upstream if end is self.client else self.client

    def interest(self, end: socket.socket) -> int:
        """What to wait for on this end: it is not read while the other one cannot take more."""
        reads = end not in self.ended and not self.pending[self.other(end)]
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self.pending[end] else 0)

    def headers(self, *, closed: bool) -> segments.Headers | None:
        """What TCP and IP added to the bridge's connection so far: out is to the bridge."""
        return segments.headers_of(
            self.client, out_payload=self.received_bytes, in_payload=self.sent_bytes, closed=closed
        )

    def close(self, *, reset: bool) -> None:
        """Close both ends, with a RST instead of a FIN when so asked."""
        for end in (self.client, self.upstream):
            if reset:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.close()


class Relay:
    """The relay's sockets and their one loop.

    Args:
        upstream: host and port of the sink.
        host: the address to listen on.
    """

    def __init__(self, upstream: tuple[str, int], host: str = HOST) -> None:
        self._upstream = upstream
        self._host = host
        self._selector = selectors.DefaultSelector()
        self._links: set[Link] = set()
        self._dead: list[Link | socket.socket] = []
        self._headers: segments.Headers | None = segments.Headers()
        """Of connections that are over; None: this kernel does not tell."""
        self.mode = "forward"
        self.sent_bytes = self.received_bytes = self.connections = 0
        self._holder = _bound(host, 0)
        self.port: int = self._holder.getsockname()[1]
        self._listener: socket.socket | None = None
        self._listen()

    def turn(self, seconds: float) -> None:
        """Serve what is ready; wait for it at most so long."""
        for key, events in self._selector.select(max(0.0, seconds)):
            key.data(events)

    def watch(self, channel: socket.socket, read: Callable[[], None]) -> None:
        """Call ``read`` whenever the channel can be read."""
        self._selector.register(channel, selectors.EVENT_READ, lambda _: read())

    def handle(self, do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a command of the control channel; gives the state after it.

        Raises:
            ValueError: no such command or mode.
        """
        if do == "mode":
            if arguments["mode"] not in MODES:
                raise ValueError(f"no mode {arguments['mode']!r}; there are: {', '.join(MODES)}")
            self._change(arguments["mode"])
        elif do == "cut":
            self._drop_all(reset=True)
        elif do != "state":
            raise ValueError(f"no command {do!r}; there are: state, mode, cut")
        return {
            "mode": self.mode,
            "open": len(self._links),
            "dead": len(self._dead),
            **self.counters(),
        }

    def counters(self) -> dict[str, int]:
        """The figures of a `harness.samples.WireSample`."""
        counted = {
            "sent_bytes": self.sent_bytes,
            "received_bytes": self.received_bytes,
            "connections": self.connections,
        }
        total = self._headers
        for link in (*self._links, *(dead for dead in self._dead if isinstance(dead, Link))):
            found = link.headers(closed=False)
            total = None if total is None or found is None else total + found
        if total is not None:
            counted |= {"sent_header_bytes": total.in_bytes, "received_header_bytes": total.out_bytes}
        return counted

    def _change(self, mode: str) -> None:
        if mode == self.mode:
            return
        if self.mode == "silent" and self._listener is not None:
            self._bury_the_waiting(self._listener)
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        if mode == "refuse":
            self._stop_listening()
            self._drop_all(reset=False)
        elif self._listener is None:
            self._listen()
        if mode == "silent" and self._listener is not None:
            self._selector.unregister(self._listener)
            for link in list(self._links):
                self._forget(link)
                self._dead.append(link)
        self.mode = mode

    def _listen(self) -> None:
        self._listener = _bound(self._host, self.port)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _bury_the_waiting(self, listener: socket.socket) -> None:
        """The kernel finished handshakes during the silence: such a connection belongs to it and stays dead."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._dead.append(listener.accept()[0])

    def _accept(self, _events: int) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:  # gone between its arrival and now
            return
        self.connections += 1
        try:
            upstream = socket.create_connection(self._upstream, timeout=_UPSTREAM_SECONDS)
        except OSError as problem:
            print(f"upstream: {problem}", flush=True)  # noqa: T201 - its output is its log file
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            client.close()
            return
        link = Link(client, upstream)
        self._links.add(link)
        for end in (client, upstream):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listen_to(link)

    def _listen_to(self, link: Link) -> None:
        for end in (link.client, link.upstream):
            wanted = link.interest(end)
            registered = self._selector.get_map().get(end)
            if registered is None and wanted:
                self._selector.register(end, wanted, lambda events, end=end: self._serve(link, end, events))
            elif registered is not None and not wanted:
                self._selector.unregister(end)
            elif registered is not None and registered.events != wanted:
                self._selector.modify(end, wanted, registered.data)

    def _serve(self, link: Link, end: socket.socket, events: int) -> None:
        if link not in self._links:  # closed earlier in the same turn
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(link, end)
            if events & selectors.EVENT_READ:
                self._read(link, end)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(link, reset=True)
            return
        if len(link.ended) == len(link.pending) and not any(link.pending.values()):
            self._drop(link, reset=False)
        else:
            self._listen_to(link)

    def _read(self, link: Link, end: socket.socket) -> None:
        received = end.recv(_CHUNK_BYTES)
        target = link.other(end)
        if not received:
            link.ended.add(end)
        elif end is link.client:
            self.sent_bytes += len(received)
            link.sent_bytes += len(received)
        else:
            self.received_bytes += len(received)
            link.received_bytes += len(received)
        link.pending[target] += received
        self._flush(link, target)

    def _flush(self, link: Link, target: socket.socket) -> None:
        if link.pending[target]:
            with contextlib.suppress(BlockingIOError):
                sent = target.send(link.pending[target])
                link.pending[target] = link.pending[target][sent:]
        if not link.pending[target] and link.other(target) in link.ended:
            target.shutdown(socket.SHUT_WR)

    def _forget(self, link: Link) -> None:
        self._links.discard(link)
        for end in (link.client, link.upstream):
            if end in self._selector.get_map():
                self._selector.unregister(end)

    def _drop(self, link: Link, *, reset: bool) -> None:
        self._forget(link)
        last = link.headers(closed=not reset)
        self._headers = None if self._headers is None or last is None else self._headers + last
        link.close(reset=reset)

    def _drop_all(self, *, reset: bool) -> None:
        for link in list(self._links):
            self._drop(link, reset=reset)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that holds the port without listening, and lets another one of ours have it too.

    No SO_REUSEADDR: with it on both sides, a neighbour could take a port that nobody listens on.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held


def _serve_control(relay: Relay, channel: socket.socket) -> None:
    buffer = b""

    def read() -> None:
        nonlocal buffer
        received = channel.recv(_CHUNK_BYTES)
        if not received:
            raise SystemExit(0)  # the harness is gone
        *lines, buffer = (buffer + received).split(b"\n")
        for line in lines:
            channel.sendall(control.answer(line, relay.handle))

    relay.watch(channel, read)
    control.announce(channel, port=relay.port)


def _sample(relay: Relay, out: IO[str]) -> None:
    out.write(json.dumps({"t": time.monotonic(), **relay.counters()}) + "\n")
    out.flush()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or HOST, int(port)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or until the control channel closes."""
    parser = argparse.ArgumentParser(prog="python -m harness.observers.relay")
    parser.add_argument("--upstream", type=_address, required=True, help="the sink: HOST:PORT, or a port on loopback")
    parser.add_argument("--out", type=Path, required=True, help="the file for the samples, appended to")
    parser.add_argument("--host", default=HOST, help="an address of this machine to listen on; by default loopback")
    parser.add_argument("--control-fd", type=int, help="an inherited, connected stream socket")
    parser.add_argument("--sample-seconds", type=float, default=0.25)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    relay = Relay(chosen.upstream, chosen.host)
    print(f"relay on {chosen.host}:{relay.port}", flush=True)  # noqa: T201 - its output is its log file
    if chosen.control_fd is not None:
        _serve_control(relay, socket.socket(fileno=chosen.control_fd))
    with chosen.out.open("a", encoding="utf-8") as out:
        try:
            due = time.monotonic()
            while True:
                if time.monotonic() >= due:
                    _sample(relay, out)
                    due += chosen.sample_seconds
                relay.turn(due - time.monotonic())
        finally:
            _sample(relay, out)


if __name__ == "__main__":
    sys.exit(main())

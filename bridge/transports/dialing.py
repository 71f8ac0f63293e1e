"""From an endpoint to a connected socket: every address is tried, each for a bounded time."""

from __future__ import annotations

import _thread
import errno
import io
import os
import random
import socket
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any, Protocol

from bridge.endpoint import Endpoint
from bridge.transports.waiting import READABLE, WRITABLE, Waiting

LookUp = Callable[..., Sequence[tuple[Any, ...]]]
"""`socket.getaddrinfo`, or what stands in for it."""
Start = Callable[[Callable[..., object], tuple[Any, ...]], object]
"""`_thread.start_new_thread`, or what stands in for it."""
Shuffle = Callable[[list[Any]], None]
"""`random.shuffle`, or what stands in for it."""
Address = tuple[socket.AddressFamily, Any]
"""A family and what `connect` takes for it."""
UNIX_BACKLOG_LOOK_SECONDS = 0.05
"""How often a unix socket whose queue of connections is full is tried again: the system cannot be asked to say when."""


class DialError(Exception):
    """No connection; the text says why, in words for a person."""


def literal(host: str, port: int) -> Address | None:
    """Turn a written IPv4 or IPv6 address into one to connect to; None where ``host`` is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return family, (host, port)
    return None


class Socket(Protocol):
    """What carries the bytes: a connected socket that does not block, or what behaves as one."""

    def fileno(self) -> int:
        """To be polled."""
        ...

    def recv(self, size: int, /) -> bytes:
        """Take what came; empty at the end."""
        ...

    def send(self, data: bytearray, /) -> int:
        """Give what it takes; how much that was."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class SpokenError(OSError):
    """An error of a connection that says itself what the matter is, as the end of a sentence about the peer."""


def spread(addresses: Sequence[Address], shuffle: Shuffle) -> tuple[Address, ...]:
    """Put a name's addresses into the order in which they are tried.

    Each family is shuffled, so that many bridges spread over a collector's replicas. Families take turns, the system's
    preferred one first, so that a family that leads nowhere costs one try and not as many as it has addresses.
    """
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    for family in families.values():
        shuffle(family)
    return tuple(address for address in chain(*zip_longest(*families.values())) if address is not None)


class Resolver:
    """Finds an endpoint's addresses: looks its name up, anew each time, without ever hanging.

    The C library's look-up cannot be interrupted, so it runs in a thread of its own that nobody joins. While one hangs
    no second is started: the next call waits for the same.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        look_up: LookUp = socket.getaddrinfo,
        shuffle: Shuffle = random.shuffle,
        start: Start = _thread.start_new_thread,
    ) -> None:
        self._host = endpoint.host
        self._port = endpoint.port
        self._known: Address | None = (
            literal(endpoint.host, endpoint.port)
            if endpoint.unix_path is None
            else (socket.AF_UNIX, endpoint.unix_path)
        )
        self._look_up = look_up
        self._shuffle = shuffle
        self._start = start
        self._running: _LookUp | None = None

    def addresses(self, waiting: Waiting, seconds: float) -> tuple[Address, ...]:
        """Find the addresses, in the order in which they are to be tried (see `spread`).

        Raises:
            DialError: the name is not known, or nobody says so within ``seconds``.
            OutOfTimeError: the call's deadline came first.
        """
        if self._known is not None:
            return (self._known,)
        if self._running is None:
            try:
                self._running = _LookUp(self._host, self._port, self._look_up, self._start)
            except (OSError, RuntimeError) as error:  # no descriptor, no thread
                raise DialError(f"the name {self._host!r} could not be looked up: {error}") from error
        if not waiting.wait(self._running.fileno(), READABLE, waiting.now() + seconds):
            raise DialError(f"the name {self._host!r} was not resolved within {seconds:g} s")
        finished, self._running = self._running, None
        return spread(finished.result(), self._shuffle)


class _LookUp:
    """One look-up in a daemon thread; its descriptor becomes readable when it is done, or the thread ended otherwise.

    Not by `threading`: its start waits for a sign of life, for ever where the new thread finds no memory. So nobody but
    the thread holds the end of the pipe that shows its own end: the interpreter closes it with the last reference, and
    needs no memory of ours for that, as a ``__del__`` would.
    """

    def __init__(self, host: str, port: int, look_up: LookUp, start: Start) -> None:
        self._host = host
        self._port = port
        self._look_up = look_up
        self._found: tuple[Address, ...] = ()
        self._failed: str | None = "the thread that was to do it ended"
        self._read_end, write_end = os.pipe()
        try:
            start(self._run, (io.FileIO(write_end, "w"),))
        except BaseException:
            os.close(self._read_end)
            raise

    def fileno(self) -> int:
        return self._read_end

    def result(self) -> tuple[Address, ...]:
        os.close(self._read_end)
        if self._failed is not None:
            raise DialError(f"the name {self._host!r} could not be resolved: {self._failed}")
        return self._found

    def _run(self, shows_the_end: io.FileIO) -> None:
        try:
            # As bytes: for text the interpreter loads its table of international names, about 1 MiB.
            name = self._host.encode("ascii") if self._host.isascii() else self._host
            found = self._look_up(name, self._port, type=socket.SOCK_STREAM)
            self._found = tuple((family, sockaddr) for family, _, _, _, sockaddr in found)
            self._failed = None
        except (OSError, UnicodeError, MemoryError) as error:
            self._failed = getattr(error, "strerror", None) or str(error) or "no memory"
        finally:
            shows_the_end.close()


def connect(address: Address, waiting: Waiting, seconds: float) -> socket.socket:
    """Open a connection; the socket does not block.

    Raises:
        DialError: refused, unreachable, or not there within ``seconds``.
        OutOfTimeError: the call's deadline came first.
    """
    try:
        sock = socket.socket(address[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise DialError(f"{spelled(address)}: no socket ({why(error)})") from error
    try:
        _connect(sock, address, waiting, seconds)
    except OSError as error:
        sock.close()
        raise DialError(f"{spelled(address)}: {why(error)}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, address: Address, waiting: Waiting, seconds: float) -> None:
    until = waiting.now() + seconds
    code = sock.connect_ex(address[1])
    while code == errno.EAGAIN and waiting.now() < until:  # a unix socket whose queue of connections is full
        waiting.wait(-1, 0, min(waiting.now() + UNIX_BACKLOG_LOOK_SECONDS, until))
        code = sock.connect_ex(address[1])
    if code == errno.EINPROGRESS:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if _ready(sock, waiting, until) else errno.EAGAIN
    if code == errno.EAGAIN:
        raise DialError(f"{spelled(address)}: did not accept the connection within {seconds:.2g} s")
    if address[0] != socket.AF_UNIX:
        if not code and sock.getsockname() == sock.getpeername():
            # A port of the ephemeral range that nobody listens on can be given to the very socket that asks for it.
            code = errno.ECONNREFUSED
        if not code:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if code:
        raise OSError(code, os.strerror(code))


def _ready(sock: socket.socket, waiting: Waiting, until: float) -> bool:
    return waiting.wait(sock.fileno(), WRITABLE, until)


def spelled(address: Address) -> str:
    """Write an address as people do: host:port, an IPv6 host in brackets; a unix socket by its path."""
    if address[0] == socket.AF_UNIX:
        return f"unix:{address[1]}"
    host, port = address[1][:2]
    return f"[{host}]:{port}" if address[0] == socket.AF_INET6 else f"{host}:{port}"


def why(error: OSError) -> str:
    """Say in words what the system said in a number."""
    if isinstance(error, SpokenError):
        return str(error)
    match error.errno:
        case errno.ECONNREFUSED:
            return "refused the connection"
        case errno.ECONNRESET | errno.EPIPE:
            return "reset the connection"
        case errno.ETIMEDOUT:
            return "does not answer"
        case _:
            return (error.strerror or str(error)).lower()

"""gRPC's unary Export call over HTTP/2, on `h2` and a socket: the default transport.

Written after the gRPC project's PROTOCOL-HTTP2, keepalive and statuscodes documents. One connection, one call at a
time; no event loop, and no thread but for a name's look-up.
"""

from __future__ import annotations

import random
import select
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from hpack import NeverIndexedHeaderTuple

from bridge.endpoint import Endpoint
from bridge.errors import TransportError
from bridge.otlp import METHOD
from bridge.transports import Answer, Patience, metadata
from bridge.transports.dialing import Address, DialError, LookUp, Resolver, Shuffle, Socket, connect, spelled
from bridge.transports.http2_connection import Connection
from bridge.transports.http2_exchange import Exchange, Header, framed
from bridge.transports.http2_gate import BrokenError, HungUpError
from bridge.transports.waiting import DEFAULT_TIMING, READABLE, OutOfTimeError, Timing, Waiting, milliseconds

if TYPE_CHECKING:
    from bridge.transports.tls import Encryption

_TIMEOUT_MILLISECONDS_MAX = 99_999_999
"""grpc-timeout has at most eight digits."""


class Http2Transport:
    """Makes Export calls over one HTTP/2 connection that it makes, keeps, watches and makes again.

    Args:
        endpoint: where the collector is.
        user_agent: what we call ourselves to it.
        headers: further request headers that `metadata.check` lets pass.
        gzip: whether messages are compressed.
        timing: how long the parts of a call may take.
        look_up: finds a name's addresses.
        shuffle: puts them into another order.
        clock: monotonic seconds; the deadlines of `Patience` are on the same clock.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        user_agent: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        gzip: bool = False,
        timing: Timing = DEFAULT_TIMING,
        look_up: LookUp = socket.getaddrinfo,
        shuffle: Shuffle = random.shuffle,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._gzip = gzip
        self._timing = timing
        self._clock = clock
        self._resolver = Resolver(endpoint, look_up, shuffle)
        self._encryption: Encryption | None = None
        self._definition = call_definition(endpoint)
        self._metadata = call_metadata(user_agent, headers, gzip=gzip)
        self._connection: Connection | None = None

    def call(self, message: bytes, patience: Patience) -> Answer:
        """Send one message and wait for its answer; see `bridge.transports.Transport`.

        A kept connection that turns out to be over before it took the request is replaced within the same call.
        """
        waiting = Waiting(patience, self._clock)
        if self._gzip:
            packer = zlib.compressobj(wbits=31)
            message = packer.compress(message) + packer.flush()
        body = framed(message, compressed=self._gzip)
        while True:
            kept = self._kept_connection()
            connection = kept or self._new_connection(waiting)
            try:
                return self._exchange(connection, body, waiting)
            except TransportError as error:
                if error.may_have_arrived or kept is None or kept is self._connection:
                    raise
                if self._clock() >= patience.deadline():
                    raise

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        """Wait between calls; see `bridge.transports.Transport`."""
        until = None if seconds is None else self._clock() + seconds
        while True:
            poll = select.poll()
            if wakeup_fileno >= 0:
                poll.register(wakeup_fileno, READABLE)
            connection = self._kept_connection()
            if connection is not None:
                poll.register(connection.fileno(), connection.events_wanted)
            ready = [found for found, _ in poll.poll(None if until is None else milliseconds(until - self._clock()))]
            if wakeup_fileno in ready or (until is not None and self._clock() >= until):
                return

    def close(self) -> None:
        """Let the connection go; a later call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _kept_connection(self) -> Connection | None:
        """The connection of earlier calls, after a look at what has come meanwhile; None where it is over."""
        if self._connection is None:
            return None
        try:
            while self._connection.receive():
                pass
        except (BrokenError, H2Error):
            self.close()
            return None
        if not self._connection.usable:
            self.close()
        return self._connection

    def _new_connection(self, waiting: Waiting) -> Connection:
        """Try every address until one speaks HTTP/2.

        Each may take its share of the time that is left, so that one which leads nowhere leaves some to the next.

        Raises:
            TransportError: none does, or time was over.
        """
        reasons = []
        try:
            addresses = self._resolver.addresses(waiting, self._timing.resolve)
            for tried, address in enumerate(addresses):
                share = waiting.remaining_seconds() / (len(addresses) - tried)
                try:
                    self._connection = self._greeted(address, waiting, self._clock() + share)
                except (DialError, BrokenError) as error:
                    reasons.append(str(error))
                else:
                    return self._connection
        except DialError as error:
            reasons.append(str(error))
        except OutOfTimeError:
            reasons.append("time was over before a connection was made")
        raise TransportError("; ".join(dict.fromkeys(reasons)) or "the name has no address", may_have_arrived=False)

    def _greeted(self, address: Address, waiting: Waiting, until: float) -> Connection:
        connection = Connection(self._connected(address, waiting, until), self._clock, self._timing)
        try:
            connection.greet(waiting, self._at_most(self._timing.settings, until))
        except BrokenError as error:
            connection.close()
            hint = f" {self._hint()}" if isinstance(error, HungUpError) else ""
            raise BrokenError(f"{spelled(address)}: {error}{hint}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _hint(self) -> str:
        """What it may mean that a peer hangs up without a word of HTTP/2."""
        tls = self._endpoint.tls
        if tls is None:
            return "before it spoke HTTP/2 (does it expect TLS? then use https://)"
        if tls.client_certificate_path is None:
            return "before it spoke HTTP/2 (does it ask for a client certificate?)"
        return "before it spoke HTTP/2 (does it accept our client certificate?)"

    def _at_most(self, seconds: float, until: float) -> float:
        """So many seconds, or those to the moment ``until`` where these are fewer."""
        return min(seconds, max(0.0, until - self._clock()))

    def _connected(self, address: Address, waiting: Waiting, until: float) -> Socket:
        sock = connect(address, waiting, self._at_most(self._timing.connect, until))
        if self._endpoint.tls is None:
            return sock
        if self._encryption is None:
            from bridge.transports.tls import Encryption  # noqa: PLC0415 - ssl costs memory; only TLS pays for it

            self._encryption = Encryption(self._endpoint.tls, self._endpoint.server_name)
        try:
            return self._encryption.over(sock, waiting, self._at_most(self._timing.handshake, until))
        except DialError as error:
            raise DialError(f"{spelled(address)}: {error}") from error

    def _exchange(self, connection: Connection, body: bytes, waiting: Waiting) -> Answer:
        """Send the request and wait for its answer.

        Raises:
            TransportError: the connection broke or leads to no collector (and is let go), or time was over.
        """
        began_at = self._clock()
        exchange: Exchange | None = None
        try:
            while exchange is None:
                exchange = connection.begin(self._request_headers(waiting), body)
                if exchange is None:
                    connection.turn(waiting, connection.keep_alive(began_at))
            while not exchange.over:
                connection.push(exchange)
                connection.turn(waiting, connection.keep_alive(began_at))
            arrived = connection.may_have_arrived(exchange)
            connection.end(exchange)
        except OutOfTimeError:
            raise self._out_of_time(connection, exchange, began_at) from None
        except (BrokenError, H2Error) as error:
            self.close()
            arrived = exchange is not None and connection.may_have_arrived(exchange)
            words = str(error) if isinstance(error, BrokenError) else f"HTTP/2 failed: {type(error).__name__}: {error}"
            raise TransportError(words, may_have_arrived=arrived) from error
        if exchange.reset_code == ErrorCodes.REFUSED_STREAM:
            raise TransportError("the peer refused the stream (REFUSED_STREAM)", may_have_arrived=arrived)
        try:
            return exchange.answer()
        except TransportError:
            self.close()  # the next one may lead to the collector
            raise

    def _out_of_time(self, connection: Connection, exchange: Exchange | None, began_at: float) -> TransportError:
        """Take the request back. The connection stays only where it is known to live."""
        seconds = self._clock() - began_at
        if exchange is None:
            reason, arrived = f"the peer allowed no stream for {seconds:.1f} s", False
        else:
            arrived = connection.may_have_arrived(exchange)
            reason = f"no answer within {seconds:.1f} s" if arrived else f"the request was not taken in {seconds:.1f} s"
            connection.end(exchange)
        if not connection.lives(began_at):
            self.close()
        return TransportError(reason, may_have_arrived=arrived)

    def _request_headers(self, waiting: Waiting) -> list[Header]:
        milliseconds_left = min(milliseconds(waiting.remaining_seconds()), _TIMEOUT_MILLISECONDS_MAX)
        # It differs from call to call: remembered, it would push the others out of the header table.
        timeout = NeverIndexedHeaderTuple(b"grpc-timeout", b"%dm" % milliseconds_left)
        return [*self._definition, timeout, *self._metadata]


def call_definition(endpoint: Endpoint) -> tuple[Header, ...]:
    """The pseudo-headers, which stand first."""
    return (
        (b":method", b"POST"),
        (b":scheme", b"https" if endpoint.tls else b"http"),
        (b":path", METHOD.encode("ascii")),
        (b":authority", endpoint.authority.encode("ascii")),
    )


def call_metadata(user_agent: str, headers: Sequence[tuple[str, str]], *, gzip: bool) -> tuple[Header, ...]:
    """What stands after grpc-timeout: gRPC's own headers, then the user's."""
    own = [
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *([(b"grpc-encoding", b"gzip")] if gzip else []),
        (b"grpc-accept-encoding", b"identity,gzip"),
        (b"user-agent", metadata.user_agent(user_agent).encode("ascii")),
    ]
    return (*own, *(metadata.on_the_wire(name, value) for name, value in headers))

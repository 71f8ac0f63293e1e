"""One HTTP/2 connection: h2, which knows the protocol, joined to a socket.

h2 does no I/O and no waiting. Here its bytes are carried, it is asked for no more than the peer's windows allow, what
the peer may do has bounds, and a peer that has gone silent is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
)
from h2.exceptions import H2Error, NoAvailableStreamIDError, TooManyStreamsError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from bridge.transports.dialing import Socket, why
from bridge.transports.http2_exchange import Exchange, Header, error_name
from bridge.transports.http2_gate import FRAME_BYTES_MAX, BrokenError, FrameGate, HungUpError
from bridge.transports.http2_keepalive import KeepAlive
from bridge.transports.waiting import READABLE, WRITABLE, Timing, Waiting

HEADER_LIST_BYTES_MAX = 16 << 10
"""gRPC suggests 8 KiB; the details of a status come on top."""
HEADER_TABLE_BYTES_MAX = 4096
"""Of our encoder, HTTP/2's default: a peer that offers more shall not make us remember more."""
SETTINGS_MAX = 64
"""Different ones from the peer: h2 keeps those it does not know, up to 65 536."""
UNSENT_BYTES_MAX = 64 << 10
"""No more of a message is framed while so much waits for the socket."""
_READ_BYTES = 16384


class _Protocol(H2Connection):
    """h2 with the traps closed that facts about long-lived clients have shown."""

    MAX_CLOSED_STREAMS = 16  # h2 remembers 65 536: some 8 MiB that grow for 18 hours at one call a second
    DEFAULT_MAX_HEADER_LIST_SIZE = HEADER_LIST_BYTES_MAX

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """Go on with the streams that the peer still answers; h2 would take GOAWAY for the end of everything."""
        event = ConnectionTerminated()
        event.error_code = frame.error_code
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data
        return [], [event]


class Connection:
    """A connected socket that speaks HTTP/2 for one request at a time.

    Args:
        sock: connected and not blocking.
        clock: monotonic seconds.
        timing: when a peer that says nothing is given up.
    """

    def __init__(self, sock: Socket, clock: Callable[[], float], timing: Timing) -> None:
        self._sock = sock
        self._clock = clock
        self._keep_alive = KeepAlive(clock, timing)
        self._unwritten = bytearray()
        self._framed_bytes = 0
        self._write_failure: str | None = None
        self._gate = FrameGate()
        self._exchange: Exchange | None = None
        self._settings_received = False
        self._last_stream_id: int | None = None
        self._parting = ""
        self._h2 = _Protocol(
            H2Configuration(
                # What we send we know, and what came is judged as gRPC asks: the checks cost CPU and forgive nothing.
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES_MAX,
            },
        )
        self._h2.initiate_connection()

    def fileno(self) -> int:
        """The socket's."""
        return self._sock.fileno()

    @property
    def events_wanted(self) -> int:
        """What to poll the socket for."""
        return READABLE | WRITABLE if self._unwritten and not self._write_failure else READABLE

    @property
    def usable(self) -> bool:
        """Whether a further request can be sent: the peer does not go away and stream ids are left."""
        if self._last_stream_id is not None or self._write_failure is not None:
            return False
        try:
            self._h2.get_next_available_stream_id()
        except NoAvailableStreamIDError:
            return False
        return True

    def greet(self, waiting: Waiting, seconds: float) -> None:
        """Exchange SETTINGS, so that a request goes only to a peer that is known to speak HTTP/2.

        Raises:
            BrokenError: it does not, or not within ``seconds``; HungUpError where it ended the connection instead.
            OutOfTimeError: the call's deadline came first.
        """
        until = self._clock() + seconds
        while not self._settings_received:
            self.turn(waiting, until)
            if self._clock() >= until and not self._settings_received:
                raise BrokenError(f"accepted the connection, but did not speak HTTP/2 within {seconds:.2g} s")

    def begin(self, headers: Sequence[Header], message: bytes) -> Exchange | None:
        """Start a request; None while the peer's limit on streams allows none: take a `turn` and ask again."""
        self._gate.restart()
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, headers)
        except TooManyStreamsError:
            return None
        self._exchange = Exchange(stream_id, message)
        return self._exchange

    def push(self, exchange: Exchange) -> None:
        """Frame and write as much of the message as the peer's windows, its frame size and the socket allow."""
        while exchange.sent_at_byte is None and not exchange.over:
            if len(self._unwritten) >= UNSENT_BYTES_MAX:
                self._write()
                if len(self._unwritten) >= UNSENT_BYTES_MAX:
                    return
            window = self._h2.local_flow_control_window(exchange.stream_id)
            size = min(window, self._h2.max_outbound_frame_size, FRAME_BYTES_MAX, len(exchange.unsent))
            if size <= 0:
                return
            piece, exchange.unsent = exchange.unsent[:size], exchange.unsent[size:]
            self._h2.send_data(exchange.stream_id, piece, end_stream=not exchange.unsent)
            self._take_frames()
            if not exchange.unsent:
                exchange.sent_at_byte = self._framed_bytes

    def may_have_arrived(self, exchange: Exchange) -> bool:
        """Whether the peer may have the whole request, which it cannot process before."""
        if self._refuses(exchange) or exchange.sent_at_byte is None:
            return False
        return self._framed_bytes - len(self._unwritten) >= exchange.sent_at_byte

    def end(self, exchange: Exchange) -> None:
        """Forget a request; where it is not over on both sides the peer is told to forget it too."""
        self._exchange = None
        stream_open = not exchange.closed_by_peer and not (exchange.ended and exchange.sent_at_byte is not None)
        if stream_open and self._write_failure is None:
            code = ErrorCodes.NO_ERROR if exchange.ended else ErrorCodes.CANCEL
            self._h2.reset_stream(exchange.stream_id, code)
            self._write()

    def keep_alive(self, began_at: float) -> float:
        """Send a PING where a call has heard nothing for too long; see `KeepAlive.look`."""
        return self._keep_alive.look(began_at, self._h2.ping)

    def lives(self, since: float) -> bool:
        """Whether the peer gave a sign of life since then, and can be asked for another one."""
        return self._keep_alive.lives(since)

    def turn(self, waiting: Waiting, until: float) -> None:
        """Write what can be written, wait until the moment ``until`` at most, take what came.

        Raises:
            BrokenError: the connection is over.
            OutOfTimeError: the call's deadline came first.
        """
        self._write()
        if waiting.wait(self._sock.fileno(), self.events_wanted, until):
            self._write()
            self.receive()

    def receive(self) -> bool:
        """Take what has come, and write what the socket takes, without waiting.

        Returns:
            Whether there was anything.

        Raises:
            BrokenError: the connection is over.
        """
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            self._write()  # who polls for `events_wanted` between calls has nobody else that writes
            if self._write_failure is not None:
                raise BrokenError(self._write_failure) from None
            return False
        except OSError as error:
            raise HungUpError(self._told(why(error))) from error
        if not data:
            raise HungUpError(self._told("closed the connection"))
        self._keep_alive.heard()
        self._gate.pass_by(data)
        for event in self._parse(data):
            self._handle(event)
        self._write()
        return True

    def close(self) -> None:
        """Say good-bye where the socket takes it at once, and let it go."""
        try:
            self._h2.close_connection()
            self._write()
        except H2Error:
            pass  # h2 has closed it already
        self._sock.close()

    def _parse(self, data: bytes) -> list[Event]:
        try:
            return self._h2.receive_data(data)
        except Exception as error:  # whatever h2 raises here, the peer's bytes made it
            self._write()  # h2 has framed a GOAWAY that says what was wrong
            raise BrokenError(f"the peer broke the rules of HTTP/2: {str(error) or type(error).__name__}") from error

    def _handle(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                self._settings_received = True
                if len(self._h2.remote_settings) > SETTINGS_MAX:
                    raise BrokenError(f"the peer sent more than {SETTINGS_MAX} different settings")
                self._bound_header_table()
            case ConnectionTerminated():
                self._note_goaway(event)
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if isinstance(event, ResponseReceived | DataReceived):
            self._keep_alive.answered()
        exchange = self._exchange
        if exchange is not None and getattr(event, "stream_id", None) == exchange.stream_id:
            exchange.take(event)

    def _bound_header_table(self) -> None:
        """Follow the peer's table size, up to our bound."""
        encoder = self._h2.encoder
        encoder.header_table_size = min(encoder.header_table_size, HEADER_TABLE_BYTES_MAX)
        changes = encoder.table_size_changes
        # RFC 7541, 4.2: of several changes the smallest and the last one are signalled.
        encoder.table_size_changes = [min(changes), changes[-1]] if changes else []
        # hpack forgets that there is something to signal where a size is set again to what it is.
        encoder.header_table.resized = bool(changes)

    def _note_goaway(self, event: ConnectionTerminated) -> None:
        self._last_stream_id = event.last_stream_id
        debug = (event.additional_data or b"")[:80].decode("ascii", "replace")
        self._parting = f"GOAWAY {error_name(int(event.error_code or 0))} {debug}".rstrip()
        if self._exchange is not None and self._refuses(self._exchange):
            raise BrokenError(self._told("went away before it took the request"))

    def _refuses(self, exchange: Exchange) -> bool:
        """Whether the peer has said that it never processed the request."""
        if exchange.reset_code == ErrorCodes.REFUSED_STREAM:
            return True
        return self._last_stream_id is not None and exchange.stream_id > self._last_stream_id

    def _told(self, what: str) -> str:
        return f"the peer {what} ({self._parting})" if self._parting else f"the peer {what}"

    def _take_frames(self) -> None:
        framed = self._h2.data_to_send()
        self._framed_bytes += len(framed)
        self._unwritten += framed

    def _write(self) -> None:
        """Write what the socket takes. A failure is kept: what the peer said before it is to be read first."""
        self._take_frames()
        while self._unwritten and self._write_failure is None:
            try:
                written = self._sock.send(self._unwritten)
            except BlockingIOError:
                return
            except OSError as error:
                self._write_failure = self._told(why(error))
                return
            del self._unwritten[:written]

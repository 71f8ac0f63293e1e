"""The same call through grpcio, gRPC's C core: for those who need what only it has, and the oracle beside http2.

It costs 18 MiB more than http2 and half a dozen threads. What it does by default and a sidecar must not is turned off:
see `_options` and each method. It comes with the extra ``[grpcio]``.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import resource
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from bridge.endpoint import Endpoint, Tls
from bridge.errors import TransportError
from bridge.otlp import METHOD
from bridge.transports import Answer, Patience, certificates, metadata
from bridge.transports.dialing import literal
from bridge.transports.http2_exchange import BODY_BYTES_MAX, MESSAGE_CHARACTERS_MAX
from bridge.transports.waiting import DEFAULT_TIMING, READABLE, OutOfTimeError, Timing, Waiting, milliseconds

RECEIVED_BYTES_MAX = 4 << 20
"""Of an answer's message, as http2's."""
METADATA_BYTES_MAX = 16 << 10
"""Of an answer's headers, as http2's."""
STATE_SECONDS_MAX = 0.5
"""How long grpcio may take to say whether its connection stands; it looks five times a second."""
ROOM_BYTES = 64 << 20
"""What the address space must have left, beside a stack, before grpcio starts a thread, which it does for each call.
Where there is no room for the stack, a start fails; where there is so little more that the new thread cannot allocate,
the start never returns: CPython waits for the thread's sign of life, without a bound. So much is what glibc sets apart
for a thread's allocations; the threads that the C core starts for a channel meanwhile take theirs of it (16 MiB were
seen not to suffice)."""
_STACK_BYTES = 8 << 20
"""Of a thread, where the system's limit says nothing."""
_LOOK_SECONDS = 60.0
_DETAILS = "grpc-status-details-bin"
_NEVER_LEFT = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed", "empty address list")
"""How grpcio begins to say that there was no connection. Where it says it in other words, the request may have arrived:
it is sent again all the same, only counted as perhaps sent twice."""
_REFUSED_STREAM = "RST_STREAM with error code 7"
_NO_ANSWER = re.compile(
    r"Stream removed \((?!RST_STREAM|Error parsing)"
    r"|CLIENT: Received message larger than max|Decompressed message larger than max"
    r"|metadata size exceeds|Failed parsing HTTP/2"
    r"|^Received http2 header with status: (?!400|413|429|431|50[234])|" + re.escape(_REFUSED_STREAM)
)
"""How it says that the connection broke, that an answer broke its bounds or HTTP/2's rules, that it came from somebody
on the way (as `http2_exchange.STATUS_OF_HTTP` has it), or that the peer refused the stream: each comes with a status as
if the collector had answered, and some of those would have the request dropped."""
_SERVICE_CONFIG = '{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}]}'


class GrpcioTransport:
    """Makes Export calls through a gRPC channel, which is made anew after each call that found no peer.

    So a new call always tries to connect at once, looks the name up and reads the files of TLS: a channel that is kept
    would wait between its tries, by its own clock, and answer from memory meanwhile.

    Args:
        endpoint: where the collector is.
        user_agent: what we call ourselves to it; grpcio puts its own name behind.
        headers: further request headers that `metadata.check` lets pass.
        gzip: whether messages are compressed.
        timing: how long the parts of a call may take, as far as grpcio can be told.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._options = _options(endpoint, metadata.user_agent(user_agent), timing)
        self._compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        # grpcio itself encodes what ends in -bin.
        self._metadata = tuple(
            (name, value.encode("utf-8") if name.endswith(metadata.BINARY_SUFFIX) else value) for name, value in headers
        )
        self._clock = clock
        self._bell = _Bell()
        self._channel: grpc.Channel | None = None
        self._identities: tuple[certificates.Identity | None, ...] = ()

    def call(self, message: bytes, patience: Patience) -> Answer:
        """Send one message and wait for its answer; see `bridge.transports.Transport`."""
        try:
            return self._call(message, Waiting(patience, self._clock))
        except TransportError:
            self.close()
            raise
        except Exception as error:  # whatever grpcio raises, the contract has one error
            self.close()
            reason = f"grpcio failed: {type(error).__name__}: {error}"
            raise TransportError(reason, may_have_arrived=True) from error

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        """Wait between calls; see `bridge.transports.Transport`. grpcio's own threads look after the connection."""
        poll = select.poll()
        if wakeup_fileno >= 0:
            poll.register(wakeup_fileno, READABLE)
        poll.poll(None if seconds is None else milliseconds(seconds))

    def close(self) -> None:
        """Let the connection go; a later call makes a new one."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _call(self, message: bytes, waiting: Waiting) -> Answer:
        try:
            began_at, seconds = waiting.now(), waiting.remaining_seconds()
            _make_sure_of_room()
            channel = self._fresh_channel()
        except OutOfTimeError:
            raise TransportError("time was over before a connection was made", may_have_arrived=False) from None
        export = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        # A future, because a blocking call cannot be told that its deadline came nearer.
        future: Any = export.future(message, timeout=seconds, metadata=self._metadata, compression=self._compression)
        future.add_done_callback(self._bell.ring)
        try:
            while not future.done():
                waiting.wait(self._bell.fileno(), READABLE, waiting.now() + _LOOK_SECONDS)
                self._bell.clear()
        except OutOfTimeError:
            future.cancel()
            raise TransportError(_no_answer(waiting.now() - began_at), may_have_arrived=True) from None
        error: Any = future.exception()
        if error is None:
            return _answer(grpc.StatusCode.OK, "", future.trailing_metadata(), future.result())
        if self._is_ours(channel, error, waiting, began_at + seconds):
            raise _transport_error(error, waiting.now() - began_at)
        return _answer(error.code(), error.details(), error.trailing_metadata(), None)

    def _fresh_channel(self) -> grpc.Channel:
        """The channel of the last call, or a new one where there is none or a file of TLS was renewed."""
        tls = self._endpoint.tls
        identities = certificates.identities(tls) if tls else ()
        if self._channel is not None and identities != self._identities:
            self.close()
        if self._channel is None:
            self._identities = identities
            target = _target(self._endpoint)
            self._channel = (
                grpc.secure_channel(target, _credentials(tls), self._options)
                if tls
                else grpc.insecure_channel(target, self._options)
            )
        return self._channel

    def _is_ours(self, channel: grpc.Channel, error: Any, waiting: Waiting, deadline: float) -> bool:  # noqa: ANN401 - grpcio's calls have no public type
        """Whether grpcio made this status up, for want of an answer."""
        details = error.details() or ""
        if _NO_ANSWER.search(details):
            return True
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return waiting.now() >= deadline
        if error.code() is not grpc.StatusCode.UNAVAILABLE or error.initial_metadata() or error.trailing_metadata():
            return False
        return details.startswith(_NEVER_LEFT) or not self._stands(channel, waiting)

    def _stands(self, channel: grpc.Channel, waiting: Waiting) -> bool:
        """Whether the channel has a connection: then UNAVAILABLE came over it."""
        _make_sure_of_room()
        states: list[grpc.ChannelConnectivity] = []

        def take(state: grpc.ChannelConnectivity) -> None:
            states.append(state)
            self._bell.ring()

        channel.subscribe(take)
        try:
            until = waiting.now() + STATE_SECONDS_MAX
            while not states and waiting.wait(self._bell.fileno(), READABLE, until):
                self._bell.clear()
        except OutOfTimeError:
            pass
        finally:
            channel.unsubscribe(take)
        return states[:1] == [grpc.ChannelConnectivity.READY]


def _make_sure_of_room() -> None:
    stack_bytes = resource.getrlimit(resource.RLIMIT_STACK)[0]
    if stack_bytes == resource.RLIM_INFINITY:
        stack_bytes = _STACK_BYTES
    try:
        mmap.mmap(-1, stack_bytes + ROOM_BYTES).close()
    except OSError as error:
        reason = f"grpcio would need a thread, and there is no room for one: {error.strerror}"
        raise TransportError(reason, may_have_arrived=False) from error


class _Bell:
    """A descriptor that another thread makes readable. It lives as long as anybody may still ring it."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._descriptor

    def ring(self, _: object = None) -> None:
        os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def __del__(self) -> None:
        os.close(self._descriptor)


def _options(endpoint: Endpoint, user_agent: str, timing: Timing) -> tuple[tuple[str, object], ...]:
    """Say what a channel must be told because the library's defaults are another.

    - tries to connect are bounded, and at least one is made by each new channel;
    - a silent peer is noticed while a call waits (keepalive), as http2 does;
    - no proxy is taken from the environment (lower-case http_proxy counts there even for plain targets);
    - addresses are shuffled, one is kept, and none of it is shared with other channels, nor what they remember;
    - no retries but those of requests that never left: queue, order and retry are `bridge.delivery`'s.
    """
    connect_ms = milliseconds(timing.connect)
    return (
        ("grpc.primary_user_agent", user_agent),
        ("grpc.default_authority", endpoint.authority),  # of a unix socket it would be its path
        ("grpc.initial_reconnect_backoff_ms", min(1000, connect_ms)),
        ("grpc.min_reconnect_backoff_ms", connect_ms),  # also the bound of one try
        ("grpc.max_reconnect_backoff_ms", connect_ms),
        ("grpc.keepalive_time_ms", milliseconds(timing.ping_after[0])),
        ("grpc.keepalive_timeout_ms", milliseconds(timing.ping_answer)),
        ("grpc.http2.ping_timeout_ms", milliseconds(timing.ping_answer)),  # keepalive's own counts only what TCP loses
        ("grpc.http2.max_pings_without_data", len(timing.ping_after)),
        ("grpc.http2.bdp_probe", 0),  # PINGs that servers count, to measure what short calls do not need
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", _SERVICE_CONFIG),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_receive_message_length", RECEIVED_BYTES_MAX),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
    )


def _target(endpoint: Endpoint) -> str:
    if endpoint.unix_path is not None:
        return f"unix:{endpoint.unix_path}"
    known = literal(endpoint.host, endpoint.port)
    if known is None:
        return f"dns:///{endpoint.authority}"
    return f"{'ipv6' if known[0] == socket.AF_INET6 else 'ipv4'}:{endpoint.authority}"


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Read the files. Their faults are found before grpcio sees them: it would end the process with SIGABRT."""
    complaint = certificates.complaint(tls)
    if complaint:
        raise TransportError(f"TLS is not possible: {complaint}", may_have_arrived=False)
    try:
        chain, key = None, None
        if tls.client_certificate_path is not None:
            chain = certificates.read_certificates(tls.client_certificate_path)
            key = certificates.read_key(tls.client_key_path or tls.client_certificate_path)
        return grpc.ssl_channel_credentials(_authorities(tls), key, chain)
    except certificates.CertificateError as error:
        raise TransportError(f"TLS is not possible: {error}", may_have_arrived=False) from error


def _authorities(tls: Tls) -> bytes | None:
    """Whom to trust; as http2 the system's bundle by default, not the one that grpcio brings along."""
    if tls.ca_path is not None:
        return certificates.read_certificates(tls.ca_path)
    import ssl  # noqa: PLC0415 - costs memory; only TLS pays for it

    bundle = ssl.get_default_verify_paths().cafile
    return certificates.read_certificates(bundle) if bundle else None


def _answer(code: grpc.StatusCode, message: str | None, trailers: Any, body: bytes | None) -> Answer:  # noqa: ANN401 - grpcio's metadata has no public type
    details = next((value for name, value in trailers or () if name == _DETAILS), None)
    if isinstance(details, str):
        details = None
    body = body or b""
    return Answer(
        code.value[0], (message or "")[:MESSAGE_CHARACTERS_MAX], details, body if len(body) <= BODY_BYTES_MAX else b""
    )


def _transport_error(error: Any, seconds: float) -> TransportError:  # noqa: ANN401 - as above
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TransportError(_no_answer(seconds), may_have_arrived=True)
    details = (error.details() or "no reason given")[:MESSAGE_CHARACTERS_MAX]
    never_arrived = details.startswith(_NEVER_LEFT) or _REFUSED_STREAM in details
    return TransportError(details, may_have_arrived=not never_arrived)


def _no_answer(seconds: float) -> str:
    return f"no answer within {seconds:.1f} s"

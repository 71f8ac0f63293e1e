"""TLS on a connected socket: who the peer must be, who we are, and HTTP/2 as what both then speak.

Imported only where TLS was asked for: `ssl` with a context costs the process 6.5 MiB, the system's bundle 0.8 MiB more.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from bridge.endpoint import Tls
from bridge.transports import certificates
from bridge.transports.dialing import DialError, SpokenError, why
from bridge.transports.waiting import READABLE, WRITABLE, Waiting

ALPN = "h2"
_NO_TLS_REASONS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"}
)
"""What OpenSSL makes of bytes that are no TLS; it differs from version to version."""
_OUR_CERTIFICATE = (
    f"asks for a client certificate ({certificates.CERTIFICATE_VARIABLE} and {certificates.KEY_VARIABLE} name ours)"
)


def check(tls: Tls) -> dict[str, str]:
    """Try the files out; what is wrong, by the field of `Tls`. Their form is known to be right."""
    found = {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for field, load in (("ca_path", _load_authorities), ("client_certificate_path", _load_client)):
        try:
            load(context, tls)
        except certificates.CertificateError as error:
            found[field] = str(error)
    return found


class Encryption:
    """Makes plain connections to one collector encrypted ones. Renewed files count from the next connection on."""

    def __init__(self, tls: Tls, server_name: str) -> None:
        self._tls = tls
        self._server_name = server_name
        self._context: ssl.SSLContext | None = None
        self._identities: tuple[certificates.Identity | None, ...] = ()

    def over(self, sock: socket.socket, waiting: Waiting, seconds: float) -> TlsSocket:
        """Shake hands. The socket is taken over; where it fails it is closed.

        Raises:
            DialError: no TLS, not the right peer, no HTTP/2, or not within ``seconds``.
            OutOfTimeError: the call's deadline came first.
        """
        encrypted = None
        try:
            # TLS comes with the first byte: without a hand-shake there is nothing to be read before it.
            encrypted = self._fresh_context().wrap_socket(
                sock, server_hostname=self._server_name, do_handshake_on_connect=False
            )
            _shake_hands(encrypted, waiting, seconds)
        except BaseException as error:
            sock.close()
            if encrypted is not None:
                encrypted.close()
            if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
                raise DialError("closed the connection in the TLS handshake (does it speak TLS?)") from error
            if isinstance(error, certificates.CertificateError):
                raise DialError(f"TLS is not possible: {certificates.complaint(self._tls) or error}") from error
            if isinstance(error, OSError | ValueError):
                raise DialError(told(error)) from error
            raise
        return TlsSocket(encrypted)

    def _fresh_context(self) -> ssl.SSLContext:
        """The context of the last connection, or a new one where a file was renewed since."""
        bundle = ssl.get_default_verify_paths().cafile
        identities = (*certificates.identities(self._tls), certificates.identity(bundle) if bundle else None)
        if self._context is None or identities != self._identities:
            self._context = None  # so that a broken file is not forgotten after one complaint
            self._context = context_for(self._tls)
            self._identities = identities
        return self._context


def context_for(tls: Tls) -> ssl.SSLContext:
    """Read the files into a context that trusts whom they say, and nobody else.

    Raises:
        CertificateError: a file is missing, broken, or does not fit to the other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the peer's certificate and name; TLS 1.2 or later
    context.set_alpn_protocols([ALPN])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # Whom the CA's file names is trusted, be it a root or not: as gRPC's C core and Go do.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load_authorities(context, tls)
    _load_client(context, tls)
    return context


def _load_authorities(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.ca_path is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    text = certificates.read_certificates(tls.ca_path).decode("latin-1")
    try:
        context.load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise certificates.CertificateError(f"its certificates cannot be read ({_reason(error)})") from error


def _load_client(context: ssl.SSLContext, tls: Tls) -> None:
    if tls.client_certificate_path is None:
        return
    certificates.read_certificates(tls.client_certificate_path)
    certificates.read_key(tls.client_key_path or tls.client_certificate_path)
    try:
        # OpenSSL would ask the terminal for a password.
        context.load_cert_chain(tls.client_certificate_path, tls.client_key_path, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise certificates.CertificateError("its key belongs to another certificate") from error
        raise certificates.CertificateError(f"it or its key cannot be read ({_reason(error)})") from error
    except OSError as error:
        raise certificates.CertificateError(f"it cannot be read: {why(error)}") from error


def _shake_hands(encrypted: ssl.SSLSocket, waiting: Waiting, seconds: float) -> None:
    until = waiting.now() + seconds
    while True:
        try:
            encrypted.do_handshake()
            break
        except ssl.SSLWantReadError:
            events = READABLE
        except ssl.SSLWantWriteError:
            events = WRITABLE
        if not waiting.wait(encrypted.fileno(), events, until):
            raise DialError(f"accepted the connection, but did not finish the TLS handshake within {seconds:.2g} s")
    if encrypted.selected_alpn_protocol() != ALPN:
        raise DialError("speaks TLS, but not HTTP/2 over it (ALPN: h2 was not chosen)")


class TlsSocket:
    """An encrypted connection that behaves as a plain socket that does not block, as far as `Connection` needs it."""

    def __init__(self, encrypted: ssl.SSLSocket) -> None:
        self._sock = encrypted

    def fileno(self) -> int:
        """To be polled: a record has at most 16 KiB, and `recv` is asked for so much, so nothing waits inside."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """As a socket's.

        Raises:
            BlockingIOError: nothing is there yet.
            OSError: the connection is over.
        """
        try:
            return self._sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise SpokenError(told(error)) from error

    def send(self, data: bytearray) -> int:
        """As a socket's; what it did not take is to be given again, with or without more behind it.

        Raises:
            BlockingIOError: nothing is taken now.
            OSError: the connection is over.
        """
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLError as error:
            raise SpokenError(told(error)) from error

    def close(self) -> None:
        """Say that nothing more comes, where the socket takes it at once, and let it go."""
        with contextlib.suppress(OSError, ValueError):
            self._sock.unwrap()
        self._sock.close()


def told(error: Exception) -> str:
    """Say in words what TLS complains of: the end of a sentence about the peer, or one about our files."""
    match error:
        case ssl.SSLCertVerificationError():
            hint = " (OTEL_EXPORTER_OTLP_CERTIFICATE names whom to trust)" if "issuer" in error.verify_message else ""
            return f"its certificate is not accepted: {error.verify_message.rstrip('.')}{hint}"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "closed the connection"
        case ssl.SSLError():
            return _complaint(error.reason or "", _reason(error))
        case OSError():
            return why(error)
        case _:
            return str(error)


def _complaint(code: str, words: str) -> str:
    if code in _NO_TLS_REASONS:
        return "does not speak TLS, but the endpoint asks for it (is it http://?)"
    if code.endswith("ALERT_NO_APPLICATION_PROTOCOL"):
        return "speaks TLS, but not HTTP/2 over it (ALPN)"
    if code.endswith("ALERT_CERTIFICATE_REQUIRED"):
        return _OUR_CERTIFICATE
    if "_ALERT_" in code and ("CERT" in code or "UNKNOWN_CA" in code):
        return f"does not accept our client certificate ({words})"
    return f"refuses TLS ({words})"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")

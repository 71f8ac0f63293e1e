"""Where the collector is, and whether what goes there is encrypted: read from text, decided once."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


PORT = 4317
"""OTLP/gRPC's own."""
PORT_MAX = 65535
UNIX_PATH_BYTES_MAX = 107
"""What Linux has room for in a socket's address, its final zero left out."""

ALLOWED = (
    "host:port, http://host:port, https://host:port, dns:///host:port or unix:PATH; without a path behind the port; "
    "the port is 4317 unless given; PATH has at most 107 bytes"
)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_TARGET = re.compile(
    r"(?:(?P<scheme>https?)://|dns:///)?"
    rf"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>{_LABEL}(?:\.{_LABEL})*\.?))"
    r"(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.ASCII,
)


class Tls(NamedTuple):
    """The files of an encrypted connection, all PEM. They are read at each new connection, so they may be renewed.

    Attributes:
        ca_path: whom to trust; None: the system's bundle.
        client_certificate_path: who we are, for mutual TLS; None: we do not say.
        client_key_path: the certificate's key; None: it stands in the certificate's file.
    """

    ca_path: Path | None = None
    client_certificate_path: Path | None = None
    client_key_path: Path | None = None


class Endpoint(NamedTuple):
    """Where the collector is.

    Attributes:
        host: a name or a literal address, IPv6 without brackets; ``localhost`` for a unix socket.
        port: the TCP port; 0 for a unix socket.
        unix_path: the unix socket; None: it is TCP.
        tls: how the connection is encrypted; None: it is plain.
        decided_by: what made it encrypted or plain; ``default``: nobody said, plain is our guess.
    """

    host: str
    port: int
    unix_path: str | None = None
    tls: Tls | None = None
    decided_by: Literal["scheme", "setting", "default"] = "default"

    @property
    def authority(self) -> str:
        """What a request calls its addressee, as gRPC's own clients write it."""
        if self.unix_path is not None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def server_name(self) -> str:
        """The name that the collector's certificate must have."""
        return self.host.removesuffix(".")

    def __str__(self) -> str:
        if self.unix_path is not None:
            return f"unix:{self.unix_path}" + (" (TLS)" if self.tls else "")
        return f"{'https' if self.tls else 'http'}://{self.authority}"


def parse(text: str) -> Endpoint:
    """Read one of the `ALLOWED` forms. https:// is TLS with the system's bundle; see `decided` for the rest.

    Raises:
        ValueError: it is none of them.
    """
    if text[:5].lower() == "unix:":
        return _unix(text[5:])
    match = _TARGET.fullmatch(text)
    if match is None:
        raise ValueError(text)
    host, port = match["six"] or match["host"], int(match["port"] or PORT)
    if not 1 <= port <= PORT_MAX or (match["six"] and not _is_ipv6(host)):
        raise ValueError(text)
    scheme = (match["scheme"] or "").lower()
    return Endpoint(host, port, tls=Tls() if scheme == "https" else None, decided_by="scheme" if scheme else "default")


def decided(endpoint: Endpoint, *, insecure: bool | None, files: Tls) -> Endpoint:
    """Plain or TLS: by the scheme, else by ``insecure`` where it was set, else plain.

    Args:
        endpoint: as `parse` read it.
        insecure: OTEL_EXPORTER_OTLP_INSECURE; None: it is not set.
        files: what an encrypted connection uses.
    """
    if endpoint.decided_by == "scheme":
        return endpoint._replace(tls=files if endpoint.tls else None)
    if insecure is None:
        return endpoint
    return endpoint._replace(tls=None if insecure else files, decided_by="setting")


def guess(endpoint: Endpoint) -> str | None:
    """What the user should hear of a decision that no setting spells out; None: all was said."""
    if endpoint.decided_by != "default" or endpoint.unix_path is not None:
        return None
    return (
        "the endpoint names no scheme: taken as plain text, as http:// would say "
        "(https:// or OTEL_EXPORTER_OTLP_INSECURE=false asks for TLS)"
    )


def _unix(rest: str) -> Endpoint:
    """``unix:path``, ``unix:/path`` or ``unix:///path``, as gRPC has them."""
    path = rest.removeprefix("//")
    relative_behind_slashes = rest.startswith("//") and not path.startswith("/")
    bytes_long = len(os.fsencode(path))
    if relative_behind_slashes or path.endswith("/") or not 1 <= bytes_long <= UNIX_PATH_BYTES_MAX or "\0" in path:
        raise ValueError(rest)
    return Endpoint("localhost", 0, unix_path=path)


def _is_ipv6(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, host)
    except OSError:
        return False
    return True

"""Throw-away certificates: whom a test trusts, who answers, who calls."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

import trustme

from bridge.endpoint import Tls


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.path = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.path))

    def server(self, *names: str, mutual: bool = False, expires: datetime | None = None) -> ssl.SSLContext:
        """A server's side: HTTP/2 under these names, by default those of this machine."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or ("localhost", "127.0.0.1")), not_after=expires).configure_cert(context)
        context.set_alpn_protocols(["h2"])
        if mutual:
            self._ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def server_files(self) -> tuple[bytes, bytes]:
        """Key and certificates of a server, for those who take no context."""
        issued = self._ca.issue_cert("localhost", "127.0.0.1")
        return issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems)

    def client(self, name: str = "client") -> tuple[Path, Path]:
        """Certificate and key of a caller; written anew under the same name they are renewed."""
        issued = self._ca.issue_cert(f"{name}@bridge.invalid", common_name=name)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def tls(self, *client: Path) -> Tls:
        """What a bridge is told that trusts this authority."""
        return Tls(self.path, *client)

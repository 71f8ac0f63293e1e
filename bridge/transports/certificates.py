"""The files of TLS: read without surprises, and judged before anything depends on them.

That needs no `ssl`, which costs memory: it is asked only where a connection will be encrypted.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.endpoint import Tls

FILE_BYTES_MAX = 4 << 20
"""The largest bundles have some 300 kB."""
CERTIFICATE_VARIABLE = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
KEY_VARIABLE = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
_VARIABLES = {
    "ca_path": "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "client_certificate_path": CERTIFICATE_VARIABLE,
    "client_key_path": KEY_VARIABLE,
}

_BLOCK = rb"-----BEGIN (?:[A-Z0-9]+ )*%b-----\s[^-]+-----END (?:[A-Z0-9]+ )*%b-----"
_CERTIFICATE = re.compile(_BLOCK % (b"CERTIFICATE", b"CERTIFICATE"))
_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s.+?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----", re.DOTALL
)
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)


class CertificateError(Exception):
    """A file of TLS cannot be used; the text says why, in words for a person."""


Identity = tuple[int, int, int, int]


def identity(path: Path | str) -> Identity | None:
    """Device, inode, mtime in ns and size: another one means that the file was renewed. None: there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as beside it; pathlib's is the same call
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def identities(tls: Tls) -> tuple[Identity | None, ...]:
    """Of all files that are set."""
    paths = (tls.ca_path, tls.client_certificate_path, tls.client_key_path)
    return tuple(identity(path) for path in paths if path is not None)


def read(path: Path | str) -> bytes:
    """Read a whole file; one that is no regular file is not waited for.

    Raises:
        CertificateError: it is missing, unreadable, no regular file or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CertificateError(_told(error)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise CertificateError("it is no regular file")
        if found.st_size > FILE_BYTES_MAX:
            raise CertificateError(f"it has more than {FILE_BYTES_MAX} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise CertificateError(_told(error)) from error
    finally:
        os.close(descriptor)


def read_certificates(path: Path | str) -> bytes:
    """Read a file of certificates.

    Raises:
        CertificateError: as `read`, or there is no certificate in it.
    """
    data = read(path)
    if not _CERTIFICATE.search(data):
        raise CertificateError("there is no PEM certificate in it")
    return data


def read_key(path: Path) -> bytes:
    """Read a file with a private key.

    Raises:
        CertificateError: as `read`, or there is no key in it, or one behind a password.
    """
    data = read(path)
    if _ENCRYPTED.search(data):
        raise CertificateError("its key is encrypted, and nobody is there to type the password")
    if not _KEY.search(data):
        raise CertificateError("there is no PEM private key in it")
    return data


def faults(tls: Tls, *, used: bool) -> dict[str, str]:
    """Find everything that is wrong with the files, by the field of `Tls`.

    Args:
        tls: the files.
        used: whether the connection is encrypted; if not, `ssl` is not asked (and not loaded).
    """
    found = dict(_faults_of_form(tls))
    if used and not found:
        from bridge.transports.tls import check  # noqa: PLC0415 - ssl costs 4 MiB and more; only TLS pays for it

        found = check(tls)
    return found


def complaint(tls: Tls) -> str:
    """Everything that is wrong with the files of a connection, each with its setting and its path; empty: nothing."""
    found = faults(tls, used=True).items()
    return "; ".join(f"{_VARIABLES[field]}={getattr(tls, field)}: {fault}" for field, fault in found)


def _faults_of_form(tls: Tls) -> Iterator[tuple[str, str]]:
    if tls.ca_path is not None and (fault := _fault(read_certificates, tls.ca_path)):
        yield "ca_path", fault
    if tls.client_certificate_path is None:
        if tls.client_key_path is not None:
            yield "client_key_path", f"{CERTIFICATE_VARIABLE} is not set, and a key alone proves nothing"
    elif fault := _fault(read_certificates, tls.client_certificate_path):
        yield "client_certificate_path", fault
    elif tls.client_key_path is None and _fault(read_key, tls.client_certificate_path):
        yield "client_certificate_path", f"{KEY_VARIABLE} is not set, and there is no key in this file"
    if tls.client_key_path is not None and (fault := _fault(read_key, tls.client_key_path)):
        yield "client_key_path", fault


def _fault(reader: Callable[[Path], bytes], path: Path) -> str | None:
    try:
        reader(path)
    except CertificateError as error:
        return str(error)
    return None


def _told(error: OSError) -> str:
    return f"it cannot be read: {(error.strerror or str(error)).lower()}"

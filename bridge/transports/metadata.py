"""The user's own request headers, which gRPC calls metadata: what they may be, and how they look on the wire."""

from __future__ import annotations

import binascii
import re

BINARY_SUFFIX = "-bin"
"""A name that ends so has a value of any bytes; the others have printable ASCII."""
_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_NOT_OURS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""gRPC's and HTTP's: a peer answers them, given twice or at all, with a protocol error, each time."""


def check(name: str, value: str) -> None:
    """Look at one header, its name in lower case.

    Raises:
        ValueError: HTTP/2 or gRPC does not allow it: every call would fail. The text has no value, which may be secret.
    """
    if not _NAME.fullmatch(name) or name.startswith("grpc-") or name in _NOT_OURS:
        raise ValueError(name)
    # A space at an end is malformed in HTTP/2.
    if not name.endswith(BINARY_SUFFIX) and not _VALUE.fullmatch(value):
        raise ValueError(name)


def on_the_wire(name: str, value: str) -> tuple[bytes, bytes]:
    """Encode one header; a binary value's UTF-8 as base64 without padding, as gRPC's own libraries do."""
    raw = value.encode("utf-8")
    if name.endswith(BINARY_SUFFIX):
        raw = binascii.b2a_base64(raw, newline=False).rstrip(b"=")
    return name.encode("ascii"), raw


def user_agent(text: str) -> str:
    """Leave of a user agent what a header may hold."""
    return re.sub(r"[^ -~]+", "?", text).strip()

"""What the text of a setting may be, and the value that it stands for. Each reader's ValueError says: not allowed."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bridge.mapping import DEFAULT
from bridge.mapping import Mapping as Table
from bridge.transports import metadata

if TYPE_CHECKING:
    from pathlib import Path


def number(low: float, high: float, unit_seconds: float = 1.0) -> Callable[[str], float]:
    """Make a reader of numbers from low to high, in seconds where the unit is another."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", text) or not low <= float(text) <= high:
            raise ValueError(text)
        return float(text) * unit_seconds

    return read


def number_or_none(low: float, high: float) -> Callable[[str], float | None]:
    """Make a reader of numbers from low to high; empty: None."""
    read = number(low, high)
    return lambda text: read(text) if text else None


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a reader of whole numbers from low to high."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return read


def one_of(*words: str, also: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Make a reader of words, whatever their case; ``also``: other words by the one that they stand for."""
    known = {word.lower(): word for word in words} | dict(also or {})

    def read(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(text)
        return known[text.lower()]

    return read


def yes(text: str) -> bool:
    """Read true or false."""
    return one_of("true", "false")(text) == "true"


def yes_or_none(text: str) -> bool | None:
    """Read true or false; empty: None."""
    return yes(text) if text else None


def path(text: str) -> str:
    """Read the path of the file that every bridge has: pathlib is the fiftieth part of the start."""
    if "\0" in text or text.endswith("/"):
        raise ValueError(text)
    return text


def path_or_none(text: str) -> Path | None:
    """Read the path of a file; empty: None."""
    return _as_path(path(text)) if text else None


def folder_or_none(text: str) -> Path | None:
    """Read the path of a folder; empty: None."""
    if "\0" in text:
        raise ValueError(text)
    return _as_path(text) if text else None


def _as_path(text: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - see path

    return Path(text)


def text_or_none(text: str) -> str | None:
    """Read any text that a request can carry; empty: None."""
    text.encode()  # what the environment has as bytes that are no UTF-8 could not be encoded in any request
    return text or None


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """``key=value,key=value`` with percent-encoded values: W3C baggage without properties, as OpenTelemetry has it."""
    text.encode()  # see text_or_none
    found = []
    for member in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = member.partition("=")
        if not separator or not key.strip():
            raise ValueError(member)
        found.append((unquote(key.strip(), errors="strict"), unquote(value.strip(), errors="strict")))
    return tuple(found)


def headers(text: str) -> tuple[tuple[str, str], ...]:
    """Read pairs that may be metadata of a call."""
    found = tuple((name.lower(), value) for name, value in pairs(text))
    for name, value in found:
        metadata.check(name, value)
    return found


def table(text: str) -> Table:
    """Read the mapping file of that path; empty: the metrics that every bridge has."""
    if not text:
        return DEFAULT
    from bridge import mapping_file  # noqa: PLC0415 - and tomllib with it: only those pay who have such a file

    return mapping_file.load(_as_path(path(text)))


def address(text: str) -> str:
    """Read a literal IPv4 or IPv6 address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return text
    raise ValueError(text)

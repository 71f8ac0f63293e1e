"""What the bridge says to people: one line for each change of state, and rate-limited repeats."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

REPEAT_SECONDS = 60.0
"""What goes on being wrong is said again at most this often."""

_QUIET = ("hpack", "h2", "opentelemetry")
"""Libraries whose DEBUG and INFO lines nobody asked for: hpack writes one for each header of each call."""


class TextFormatter(logging.Formatter):
    """``2025-01-31T12:00:00.123Z WARNING bridge.loop: message``: one line, then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        # A line break from outside (a file's name, a peer's message) must not look like a line of ours.
        message = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_when(record)} {record.levelname} {record.name}: {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and ``traceback`` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": _when(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)


def _when(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def set_up(level: str, form: str = "text", stream: TextIO | None = None) -> None:
    """Send all lines of at least this level to the stream (stderr by default), as ``text`` or as ``json``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # A full disk or a closed pipe behind stderr is no reason to write tracebacks to it.
    logging.raiseExceptions = False


@dataclass(slots=True, eq=False, repr=False)
class _Said:
    at_seconds: float
    unsaid: int = 0


class Repeats:
    """Who was told what, and when. Bounded: beyond 1000 different things, a new one makes it forget all."""

    def __init__(self, monotonic: Callable[[], float], every_seconds: float = REPEAT_SECONDS) -> None:
        self._monotonic = monotonic
        self._every_seconds = every_seconds
        self._said: dict[object, _Said] = {}

    def due(self, key: object) -> int | None:
        """Ask before saying it: None for not now, else how often it went unsaid since it was last said."""
        now = self._monotonic()
        said = self._said.get(key)
        if said is not None and now - said.at_seconds < self._every_seconds:
            said.unsaid += 1
            return None
        if len(self._said) >= 1000:  # noqa: PLR2004 - see the class
            self._said.clear()
        self._said[key] = _Said(now)
        return 0 if said is None else said.unsaid

    def forget(self, key: object) -> None:
        """It is over: the next time is news again."""
        self._said.pop(key, None)

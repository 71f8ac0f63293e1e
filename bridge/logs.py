"""What the bridge says to people: one line for each change of state, and rate-limited repeats.

Nobody has to listen: where stderr is full, gone or a pipe that is not read, lines are lost and counted. None of it
delays a reading, a call or the end.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import time
from collections.abc import Callable, Collection
from typing import TextIO

REPEAT_SECONDS = 60.0
"""What goes on being wrong is said again at most this often."""

_STDERR = 2
_UNPRINTABLE = re.compile("[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]")
_QUIET = ("hpack", "h2", "opentelemetry")
"""Libraries whose DEBUG and INFO lines nobody asked for: hpack writes one for each header of each call."""


class _Discreet(logging.Formatter):
    """Shows no secret, whoever says it: a collector may quote in its answer what it was sent.

    Args:
        secrets: texts that no line shows.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._secrets = sorted(secrets, key=len, reverse=True)

    def message(self, record: logging.LogRecord) -> str:
        """What the record says."""
        return self._without_secrets(record.getMessage())

    def traceback(self, record: logging.LogRecord) -> str | None:
        """Its traceback, if there is one."""
        return self._without_secrets(self.formatException(record.exc_info)) if record.exc_info else None

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "(not shown)")
        return text


class TextFormatter(_Discreet):
    """``2025-01-31T12:00:00.123Z WARNING bridge.loop: message``: one line, then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        # What comes from outside (a file's name, a peer's message) must neither look like a line of ours nor move the
        # cursor of whoever reads it.
        message = _UNPRINTABLE.sub(_escape, self.message(record))
        line = f"{_when(record)} {record.levelname} {record.name}: {message}"
        traceback = self.traceback(record)
        if traceback is None:
            return line
        return "\n".join((line, *(_UNPRINTABLE.sub(_escape, each) for each in traceback.split("\n"))))


class JsonFormatter(_Discreet):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and ``traceback`` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": _when(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
        }
        traceback = self.traceback(record)
        if traceback is not None:
            told["traceback"] = traceback
        return json.dumps(told)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _when(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class DescriptorHandler(logging.Handler):
    """Writes lines to a descriptor, and never waits for whoever reads them.

    It writes what a pipe that can be written to takes at once; it does not make the descriptor non-blocking, which
    would make it so for every process that has it.

    Args:
        descriptor: usually 2, which is stderr.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, after one that says how many were lost before it, if any were."""
        try:
            if self._lost and self._write(self.format(_about_lost(self._lost))):
                self._lost = 0
            if self._lost or not self._write(self.format(record)):
                self._lost += 1
        except Exception:  # noqa: BLE001 - as logging's own handlers: a line that cannot be made costs itself alone
            self.handleError(record)

    def _write(self, line: str) -> bool:
        """Whether all of it was taken."""
        data = memoryview(("\n" * self._torn + line + "\n").encode("utf-8", "backslashreplace"))
        written = 0
        try:
            while written < len(data) and self._poll.poll(0):
                written += os.write(self._descriptor, data[written : written + select.PIPE_BUF])
        except OSError:
            pass  # full, or nobody will ever read it
        self._torn = 0 < written < len(data) or (self._torn and not written)
        return written == len(data)


def _about_lost(count: int) -> logging.LogRecord:
    message = "lines that are missing here, because nobody took them: %d"
    return logging.LogRecord("bridge", logging.WARNING, __file__, 0, message, (count,), None)


def set_up(level: str, form: str = "text", stream: TextIO | None = None, secrets: Collection[str] = ()) -> None:
    """Send all lines of at least this level to the stream (stderr by default), as ``text`` or as ``json``.

    Args:
        level: the name of the least important one.
        form: ``text`` or ``json``.
        stream: None: stderr.
        secrets: what no line shows.
    """
    handler = DescriptorHandler(_STDERR) if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(secrets) if form == "json" else TextFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # A full disk or a closed pipe behind stderr is no reason to write tracebacks to it.
    logging.raiseExceptions = False


class _Said:
    def __init__(self, at_seconds: float) -> None:
        self.at_seconds = at_seconds
        self.unsaid = 0


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

"""The lines of a log that have to do with what happened in a run."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.arrivals import updates
from harness.record import RunRecord

BEFORE_SECONDS = 1.0
AFTER_SECONDS = 2.5
LINES_MAX = 120
LINE_CHARACTERS_MAX = 600
_READ_BYTES_MAX = 1024 * 1024
_FIRST = 3
_LAST = 8
_LAST_WITHOUT_TIMES = 30
_CLOCKS_APART_SECONDS = 3.0
_COLOURING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")
_LOUD = re.compile(r"\b(?:WARN|WARNING|ERROR|CRITICAL|FATAL|Traceback|panic)\b")
_STAMP_WITHIN_CHARACTERS = 120
_NANO = 1e9


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that is shown, after so many that are not."""

    text: str
    t: float | None
    """Seconds since the run's origin, where the line says when it was written."""
    skipped: int
    loud: bool
    """It speaks of a warning or an error."""


def excerpt(log: Path, wall_origin: float | None, moments: Sequence[float]) -> tuple[LogLine, ...]:
    """Return a log's first and last lines and those around some moments; all where they are few.

    Args:
        log: the file; one that is not there has no lines. Of a huge one the beginning and the end are read.
        wall_origin: UNIX time of the run's origin in seconds; None: times in the log mean nothing.
        moments: seconds since the run's origin.
    """
    lines = _lines(log)
    times = _times(lines, wall_origin)
    wanted = set(range(_FIRST)) | set(range(len(lines) - _LAST, len(lines)))
    if any(t is not None for t in times):
        wanted |= {
            index
            for index, t in enumerate(times)
            if t is not None and any(moment - BEFORE_SECONDS <= t <= moment + AFTER_SECONDS for moment in moments)
        }
    else:
        wanted |= set(range(len(lines) - _LAST_WITHOUT_TIMES, len(lines)))
    shown = sorted(index for index in wanted if 0 <= index < len(lines))
    if len(shown) > LINES_MAX:
        shown = [*shown[: LINES_MAX // 2], *shown[-LINES_MAX // 2 :]]
    return tuple(
        LogLine(lines[index], times[index], index - before - 1, _LOUD.search(lines[index]) is not None)
        for before, index in zip([-1, *shown], shown, strict=False)
    )


def wall_origin(record: RunRecord) -> float | None:
    """Return the UNIX time of the run's origin, in seconds; None: the record does not say.

    The record has it to the second. The bridge stamps what it sends by the clock that it logs by, so the quickest
    update tells it better; a bridge whose stamps are elsewhere is not believed.
    """
    try:
        told = dt.datetime.fromisoformat(record.meta.started_at).timestamp()
    except ValueError:
        return None
    better = max((update.time_unix_nano / _NANO - update.t for update in updates(record)), default=told)
    return better if abs(better - told) <= _CLOCKS_APART_SECONDS else told


def _lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            data = file.read(_READ_BYTES_MAX)
            rest = log.stat().st_size - 2 * _READ_BYTES_MAX
            if rest > 0:
                file.seek(-_READ_BYTES_MAX, 2)
                data += f"\n... {rest} bytes are left out here ...\n".encode()
            data += file.read(_READ_BYTES_MAX)
    except OSError:
        return []
    text = _COLOURING.sub("", data.decode("utf-8", errors="replace"))
    return [line[:LINE_CHARACTERS_MAX] for line in text.split("\n") if line.strip()]


def _times(lines: Sequence[str], origin: float | None) -> list[float | None]:
    """Return when each line was written; a line that does not say it belongs to the one before (a traceback does)."""
    times: list[float | None] = []
    newest: float | None = None
    for line in lines:
        stamp = _STAMP.search(line, 0, _STAMP_WITHIN_CHARACTERS) if origin is not None else None
        if stamp is not None and origin is not None:
            with contextlib.suppress(ValueError):  # it may only look like a time
                newest = dt.datetime.fromisoformat(stamp.group().replace(",", ".")).timestamp() - origin
        times.append(newest)
    return times

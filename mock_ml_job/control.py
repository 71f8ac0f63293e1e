"""Orders to a running job, in a JSON file that whoever gives them replaces as a whole."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

from mock_ml_job.document import FIELDS


@dataclass(frozen=True, slots=True)
class Orders:
    """What the job is told to do."""

    paused: bool = False
    """No writes; slots of the schedule pass without being counted as missed."""
    torn_hold_seconds: float = 0.0
    """More than 0: each write is made in place in two halves, with this pause between."""
    finish: bool = False
    """One last write at once, then the end. Stronger than ``paused``."""
    backdated: bool = False
    """Each file looks older than the one before it: its time of change goes backwards from an hour ago."""
    spoiled_fields: tuple[str, ...] = ()
    """In each write one of these fields of the file, in turn, has `spoiled_by` in place of its value."""
    spoiled_by: str = "null"
    """What stands there, as it is: need not be JSON."""


class OrdersError(ValueError):
    """A control file that says nothing sensible; the message says why."""


def parse(data: bytes) -> Orders:
    """Read orders; what is not mentioned has its default.

    Raises:
        OrdersError: not JSON, an unknown key or a value of the wrong kind.
    """
    try:
        wanted = json.loads(data)
    except ValueError as error:
        raise OrdersError(f"not JSON: {error}") from error
    known = {field.name for field in fields(Orders)}
    if not isinstance(wanted, dict) or set(wanted) - known:
        raise OrdersError(f"must be an object with no other keys than {', '.join(sorted(known))}")
    for name in ("paused", "finish", "backdated"):
        if not isinstance(wanted.get(name, False), bool):
            raise OrdersError(f"{name} must be true or false")
    hold = wanted.get("torn_hold_seconds", 0.0)
    if isinstance(hold, bool) or not isinstance(hold, int | float) or not 0 <= hold < math.inf:
        raise OrdersError("torn_hold_seconds must be a number of seconds, 0 or more")
    if not isinstance(wanted.get("spoiled_by", ""), str):
        raise OrdersError("spoiled_by must be a text")
    spoiled = wanted.get("spoiled_fields", [])
    if not isinstance(spoiled, list) or any(name not in FIELDS for name in spoiled):
        raise OrdersError(f"spoiled_fields must be a list of fields of the file: {', '.join(FIELDS)}")
    return Orders(**{**wanted, "torn_hold_seconds": float(hold), "spoiled_fields": tuple(spoiled)})


class Control:
    """Looks at the control file; reads it only when it was replaced."""

    def __init__(self, path: Path | None, complaints: TextIO = sys.stderr) -> None:
        self._path = path
        self._complaints = complaints
        self._seen: tuple[int, int, int] | None = None
        self._orders = Orders()

    def look(self) -> Orders:
        """Return the orders that hold now: those of the file, or the defaults where there is none.

        Senseless orders are refused with a line on stderr, and those before them go on holding.
        """
        if self._path is None:
            return self._orders
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._seen = seen
                self._orders = parse(self._path.read_bytes())
        except FileNotFoundError:
            self._seen = None
            self._orders = Orders()
        except (OSError, OrdersError) as error:
            self._complaints.write(f"control file {self._path}: {error}\n")
        return self._orders

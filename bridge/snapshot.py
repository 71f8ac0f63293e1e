"""A reading's bytes turned into a snapshot: frozen, complete, with what had to be left out of it and why. No I/O."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

from bridge.errors import SnapshotError
from bridge.mapping import DEFAULT, FieldPath, Kind, spelled
from bridge.mapping import Mapping as Table
from bridge.metrics_file import Reading

T = TypeVar("T")

_CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

Reason = Literal[
    "missing",
    "null",
    "boolean",
    "text",
    "list",
    "object",
    "number",
    "nan",
    "infinite",
    "negative",
    "fractional",
    "out-of-range",
    "given-twice",
    "empty",
    "too-long",
    "control-characters",
    "not-unicode",
    "not-iso-8601",
    "without-offset",
    "before-1970",
    "in-the-future",
]
"""Why a field was left out: a closed list, so that it can be counted by."""

COUNT_MAX = 2**53
"""The largest count that is taken: beyond it neighbours are equal in Prometheus, which stores doubles."""
OBSERVATION_MAX = 1e15
"""The largest value that a histogram takes, so that a sum over years stays finite and exact to the unit."""
ATTRIBUTE_CHARACTERS_MAX = 256
DIGITS_MAX = 400
"""A double has at most 309 digits before the point; a longer number is not even converted."""
FUTURE_MAX_NANOSECONDS = 24 * 3600 * 10**9
"""How far the job's clock may be ahead of ours: a day covers a wrong time zone, which is common."""


class LeftOut(NamedTuple):
    """One field that is not carried, and why. ``field`` is its place in the file as `mapping.spelled` has it."""

    field: str
    reason: Reason


class Snapshot(NamedTuple):
    """All that one reading says.

    Attributes:
        values: by metric name, what was good: floats for gauges and histograms, integers for counters.
        attributes: by attribute name, what was good.
        written_at_unix_nano: when the job says that it wrote.
        started_at_unix_nano: when the job says that it began.
        left_out: every field of the table that is not in the above.
    """

    values: Mapping[str, float]
    attributes: Mapping[str, str]
    written_at_unix_nano: int | None
    started_at_unix_nano: int | None
    left_out: tuple[LeftOut, ...]


class _Marker:
    """What stands in for a value that JSON's own types cannot tell: compared by identity."""


_MISSING = _Marker()
_GIVEN_TWICE = _Marker()
_TOO_LONG = _Marker()


class _LeaveOut(Exception):  # noqa: N818 - a judgement that ends at `_Fields.take`, no error
    """This field is not carried."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def parse(reading: Reading, table: Table = DEFAULT) -> Snapshot:
    """Turn bytes into a snapshot. Each field is judged alone: a bad one costs that field and no other.

    Raises:
        SnapshotError: the bytes as a whole are no UTF-8, no JSON or no object. Nothing else, whatever the bytes.
    """
    fields = _Fields(document(reading.data))
    values = {rule.name: fields.take(rule.path, _JUDGES[rule.kind]) for rule in table.metrics}
    attributes = {rule.name: fields.take(rule.path, attribute) for rule in table.attributes}
    latest = reading.time_unix_nano + FUTURE_MAX_NANOSECONDS
    written_at, started_at = (
        None if path is None else fields.take(path, lambda value: moment(value, latest))
        for path in (table.written_at, table.started_at)
    )
    return Snapshot(
        values=MappingProxyType({name: value for name, value in values.items() if value is not None}),
        attributes=MappingProxyType({name: value for name, value in attributes.items() if value is not None}),
        written_at_unix_nano=written_at,
        started_at_unix_nano=started_at,
        left_out=tuple(fields.left_out),
    )


class _Fields:
    """The document, and what had to be left out of it so far."""

    def __init__(self, root: dict[str, object]) -> None:
        self._root = root
        self.left_out: list[LeftOut] = []

    def take(self, path: FieldPath, judge: Callable[[object], T]) -> T | None:
        """The judged value of one field, or None, with a note of why."""
        try:
            return judge(self._find(path))
        except _LeaveOut as verdict:
            self.left_out.append(LeftOut(spelled(path), verdict.reason))
            return None

    def _find(self, path: FieldPath) -> object:
        value: object = self._root
        for key in path:
            if value is _GIVEN_TWICE:
                raise _LeaveOut("given-twice")
            value = _step(value, key)
        return value


def _step(value: object, key: str | int) -> object:
    """What a key leads to. A section of another kind holds no fields."""
    if isinstance(key, str):
        return value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
    if isinstance(value, list) and -len(value) <= key < len(value):
        return value[key]
    return _MISSING


def document(data: bytes) -> dict[str, object]:
    """The JSON object that the bytes are.

    Raises:
        SnapshotError: they are none.
    """
    try:
        root = _DECODER.decode(_text(data))
    except json.JSONDecodeError as error:
        raise SnapshotError(f"no JSON: {error.msg}", error.pos) from None
    except RecursionError:
        # The interpreter's own bound, about a thousand levels: its C stack is safe.
        raise SnapshotError("no JSON that can be read: nested too deeply") from None
    if not isinstance(root, dict):
        raise SnapshotError("no JSON object at the root")
    return root


def _text(data: bytes) -> str:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:4]:
        raise SnapshotError("UTF-16 or UTF-32, or no text at all: UTF-8 is wanted", 0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SnapshotError(f"no UTF-8: {error.reason}", error.start) from None
    if not text.strip():
        raise SnapshotError("blank" if text else "empty")
    return text


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        found.update((key, _GIVEN_TWICE) for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return found


def _integer(text: str) -> object:
    return int(text) if len(text) <= DIGITS_MAX else _TOO_LONG


def _fraction(text: str) -> object:
    return float(text) if len(text) <= DIGITS_MAX else _TOO_LONG


# strict=False lets a raw control character stand in a text: it costs that field, not the document.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, strict=False)


def number(value: object) -> float:
    """Any finite number, as a double; -0.0 as 0.0."""
    # A bool is an int too, and the SDK's encoder dies of it.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _LeaveOut(_what(value))
    try:
        double = float(value) + 0.0
    except OverflowError:
        raise _LeaveOut("out-of-range") from None
    if math.isnan(double):
        raise _LeaveOut("nan")
    if math.isinf(double):
        raise _LeaveOut("infinite")
    return double


def count(value: object) -> int:
    """A whole number from 0 to `COUNT_MAX`; 5.0 is one too, for not every language writes 5."""
    double = number(value)
    if double < 0:
        raise _LeaveOut("negative")
    if double > COUNT_MAX or (isinstance(value, int) and value > COUNT_MAX):  # 2^53 + 1 is 2^53 as a double
        raise _LeaveOut("out-of-range")
    if not double.is_integer():
        raise _LeaveOut("fractional")
    return int(double)


def observation(value: object) -> float:
    """A finite number from 0 to `OBSERVATION_MAX`."""
    double = number(value)
    if double < 0:
        raise _LeaveOut("negative")
    if double > OBSERVATION_MAX:
        raise _LeaveOut("out-of-range")
    return double


def attribute(value: object) -> str:
    """A text that can be an attribute. A whole number is taken as its digits: schedulers number their jobs."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _LeaveOut(_what(value))
    if not value:
        raise _LeaveOut("empty")
    if len(value) > ATTRIBUTE_CHARACTERS_MAX:
        raise _LeaveOut("too-long")
    if _CONTROL_CHARACTER.search(value):
        raise _LeaveOut("control-characters")
    if _SURROGATE.search(value):  # half a pair: no encoder takes it
        raise _LeaveOut("not-unicode")
    return value


def moment(value: object, latest_unix_nano: int) -> int:
    """A moment as ISO 8601 text with an offset, in nanoseconds since 1970."""
    if not isinstance(value, str):
        raise _LeaveOut(_what(value))
    if len(value) > ATTRIBUTE_CHARACTERS_MAX:
        raise _LeaveOut("too-long")
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise _LeaveOut("without-offset")
        nanoseconds = int(parsed.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        raise _LeaveOut("not-iso-8601") from None
    if nanoseconds < 0:
        raise _LeaveOut("before-1970")
    if nanoseconds > latest_unix_nano:
        raise _LeaveOut("in-the-future")
    return nanoseconds


_MARKED: dict[int, Reason] = {
    id(None): "null",
    id(_MISSING): "missing",
    id(_GIVEN_TWICE): "given-twice",
    id(_TOO_LONG): "out-of-range",
}
_TYPED: dict[type, Reason] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
}


def _what(value: object) -> Reason:
    """The name of what a value is when it is not what it should be."""
    return _MARKED.get(id(value)) or _TYPED[type(value)]


_JUDGES: dict[Kind, Callable[[object], float]] = {"gauge": number, "counter": count, "histogram": observation}

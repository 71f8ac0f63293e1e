"""BRIDGE_MAPPING_FILE: a table of metrics as people write it. Imported only where one is given.

It is read strictly and judged whole: every error is named with its file, its line and what to write instead.
`bridge/mapping.toml` shows the form; docs/metrics.md says what each entry means.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any

from bridge.errors import Problem, SettingsError
from bridge.mapping import DEFAULT, AttributeRule, FieldPath, Mapping, MetricRule
from bridge.prometheus_names import RESERVED_LABELS, label_of, series_of

VARIABLE = "BRIDGE_MAPPING_FILE"
SIZE_MAX_BYTES = 256 * 1024
METRICS_MAX = 200
"""Each one is sent at each tick and costs about 0.2 kB there."""
ATTRIBUTES_MAX = 16
"""Every point carries each of them."""
BUCKETS_MAX = 100
BUCKET_BOUND_MAX = 1e15
"""No observation is larger (`bridge.snapshot.OBSERVATION_MAX`)."""
STEPS_MAX = 16
DESCRIPTION_CHARACTERS_MAX = 1024

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
_UNIT = re.compile(r"[!-~]{0,63}")
_STEP = re.compile(
    r"""\.?(?P<key>[^.\[\]'"\s]+)|\[(?P<place>-?[0-9]{1,6})\]|\[(?P<quote>['"])(?P<quoted>.+?)(?P=quote)\]"""
)
_HEADER = re.compile(r"\s*\[\[\s*(metrics|attributes)\s*\]\]")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")


def load(path: Path) -> Mapping:
    """Read a table.

    Raises:
        SettingsError: it cannot be read, or something in it is wrong; all of that is in it.
    """
    told = _toml(path)
    judge = _Judge(path, told[0])
    table = judge.table(told[1])
    if judge.problems:
        raise SettingsError(judge.problems)
    return table


def _toml(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        if not path.is_file():  # opening a FIFO would wait for somebody to write to it
            raise SettingsError([Problem(VARIABLE, str(path), "the path of a file; there is none")])
        if path.stat().st_size > SIZE_MAX_BYTES:
            raise SettingsError([Problem(VARIABLE, str(path), f"a file of at most {SIZE_MAX_BYTES} bytes")])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError([Problem(VARIABLE, str(path), f"a file that can be read ({error.strerror})")]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([Problem(VARIABLE, str(path), f"a file in UTF-8 (byte {error.start} is not)")]) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line ([0-9]+)", str(error))
        line = found[1] if found else text.count("\n") + 1
        raise SettingsError([Problem(VARIABLE, f"{path}:{line}", f"no TOML: {error}")]) from error
    except RecursionError as error:
        opened = [each.count("[") + each.count("{") for each in text.splitlines()]
        where = f"{path}:{opened.index(max(opened)) + 1}"
        raise SettingsError([Problem(VARIABLE, where, "lists and tables nested less deeply")]) from error
    except ValueError as error:  # tomllib lets int()'s own bound through
        found = re.search(r"[0-9][0-9_]{4000,}", text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        raise SettingsError([Problem(VARIABLE, f"{path}:{line}", "numbers of less than 4000 digits")]) from error


class _Judge:
    """Turns what stood in the file into a table, and notes what is wrong with it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = dict(_places(text))
        self.problems: list[Problem] = []

    def table(self, told: Dictionary[str, Any]) -> Mapping:
        """The table; of no use where there are problems."""
        self._keys("", told, {"metrics", "attributes", *_TIMES})
        metrics = [self._metric(f"metrics[{n}]", each) for n, each in enumerate(self._tables(told, "metrics"))]
        attributes = [
            self._attribute(f"attributes[{n}]", each) for n, each in enumerate(self._tables(told, "attributes"))
        ]
        self._bound("metrics", metrics, 1, METRICS_MAX)
        self._bound("attributes", attributes, 0, ATTRIBUTES_MAX)
        self._unique("metrics", [each.name for each in metrics])
        self._unique("attributes", [each.name for each, _ in attributes])
        self._apart_in_prometheus(metrics, [each for each, _ in attributes])
        self._restarts(metrics)
        self._stable(metrics, [each for each, _ in attributes])
        return Mapping(
            metrics=tuple(metrics),
            attributes=tuple(each for each, _ in attributes),
            identifies_job=self._identity(attributes),
            **{key: self._read("", key, told, _moment_path, default) for key, default in _TIMES.items()},
        )

    def _metric(self, place: str, told: Dictionary[str, Any]) -> MetricRule:
        self._keys(place, told, {"field", "name", "kind", "unit", "description", "buckets", "restarts_with"})
        rule = MetricRule(
            path=self._read(place, "field", told, _path),
            name=self._read(place, "name", told, _name),
            kind=self._read(place, "kind", told, _kind),
            unit=self._read(place, "unit", told, _unit, ""),
            description=self._read(place, "description", told, _description, ""),
            buckets=self._read(place, "buckets", told, _buckets, ()),
            restarts_with=self._read(place, "restarts_with", told, _name, None),
        )
        if rule.kind == "histogram" and "buckets" not in told:
            self._note(place, "kind", "a histogram; add its buckets, for example buckets = [1, 10, 100]")
        if rule.kind not in ("histogram", None) and "buckets" in told:
            self._note(place, "buckets", f"of a {rule.kind}; take them out, or make it a histogram")
        if rule.kind not in ("counter", None) and "restarts_with" in told:
            self._note(place, "restarts_with", f"of a {rule.kind}; take it out, or make it a counter")
        return rule

    def _attribute(self, place: str, told: Dictionary[str, Any]) -> tuple[AttributeRule, bool]:
        self._keys(place, told, {"field", "name", "identifies_job"})
        rule = AttributeRule(self._read(place, "field", told, _path), self._read(place, "name", told, _name))
        return rule, bool(self._read(place, "identifies_job", told, _boolean, False))

    def _tables(self, told: Dictionary[str, Any], key: str) -> list[Dictionary[str, Any]]:
        found = told.get(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self._note("", key, f"no list of tables; begin each of them with a line [[{key}]]")
            return []
        return found

    def _keys(self, place: str, told: Dictionary[str, Any], known: set[str]) -> None:
        for key in told.keys() - known:
            self._note(place, key, f"unknown; known are {', '.join(sorted(known))}")

    def _read(self, place: str, key: str, told: Dictionary[str, Any], read: Callable[[Any], Any], *default: Any) -> Any:  # noqa: ANN401 - what TOML holds
        if key not in told:
            if not default:
                self._note(place, key, "missing; add it")
            return default[0] if default else None
        try:
            return read(told[key])
        except ValueError as error:
            self._note(place, key, f"{told[key]!r:.80}; write {error}")
            return None

    def _bound(self, key: str, found: Sequence[object], least: int, most: int) -> None:
        if len(found) > most:
            self._note(f"{key}[{most}]", "", f"one too many; there may be {most} of them")
        if len(found) < least and not any(key in problem.allowed for problem in self.problems):
            self._note("", key, f"missing; add a table [[{key}]]")

    def _unique(self, key: str, names: Sequence[str | None]) -> None:
        """Two names that differ in dots or case alone are one and the same in Prometheus."""
        seen: dict[str, str] = {}
        for number, name in enumerate(names):
            if name is None:
                continue
            flat = re.sub(r"[^a-z0-9]", "_", name.lower())
            if flat in seen:
                same = "there already" if seen[flat] == name else f"the same as {seen[flat]!r} in Prometheus"
                self._note(f"{key}[{number}]", "name", f"{name!r}, which is {same}; write another name")
            seen.setdefault(flat, name)

    def _apart_in_prometheus(self, metrics: Sequence[MetricRule], attributes: Sequence[AttributeRule]) -> None:
        """Units and kinds become part of a name there."""
        seen: dict[str, str] = {}
        for number, rule in enumerate(metrics):
            if None in (rule.name, rule.kind, rule.unit):
                continue
            series = [name.lower() for name in series_of(rule)]
            other, name = next(((seen[name], name) for name in series if name in seen), (rule.name, ""))
            if re.sub("[^a-z0-9]", "_", other.lower()) != re.sub("[^a-z0-9]", "_", rule.name.lower()):
                self._note(
                    f"metrics[{number}]",
                    "name",
                    f"{rule.name!r}, which is {name} in Prometheus as {other!r} is; rename it",
                )
            seen |= dict.fromkeys(series, rule.name)
        for number, attribute in enumerate(attributes):
            label = label_of(attribute.name or "")  # None where it was no name: noted already
            if label in RESERVED_LABELS:
                spelled = "" if label == attribute.name else f"as {label} "
                told = f"{attribute.name!r}, which {spelled}is Prometheus' own; write another name"
                self._note(f"attributes[{number}]", "name", told)

    def _restarts(self, metrics: Sequence[MetricRule]) -> None:
        counters = {rule.name for rule in metrics if rule.kind == "counter"}
        for number, rule in enumerate(metrics):
            if rule.restarts_with is not None and rule.restarts_with not in counters - {rule.name}:
                self._note(
                    f"metrics[{number}]", "restarts_with", f"{rule.restarts_with!r}; write the name of another counter"
                )

    def _stable(self, metrics: Sequence[MetricRule], attributes: Sequence[AttributeRule]) -> None:
        measured = {rule.path for rule in metrics if rule.path}
        for number, rule in enumerate(attributes):
            if rule.path in measured:
                self._note(
                    f"attributes[{number}]",
                    "field",
                    "a metric's field, so that each new value would begin new series; take this attribute out",
                )

    def _identity(self, attributes: Sequence[tuple[AttributeRule, bool]]) -> str | None:
        marked = [number for number, (_, identifies) in enumerate(attributes) if identifies]
        for number in marked[1:]:
            self._note(f"attributes[{number}]", "identifies_job", "true a second time; let one attribute name the job")
        return attributes[marked[0]][0].name if marked else None

    def _note(self, place: str, key: str, what: str) -> None:
        line = self._lines.get((place, key)) or self._lines.get((place, "")) or 1
        name = ".".join(filter(None, (place, key)))
        self.problems.append(Problem(VARIABLE, f"{self._path}:{line}", f"{name} is {what}"))


def _places(text: str) -> Iterator[tuple[tuple[str, str], int]]:
    """The line of each table and of each of its keys, which tomllib does not tell. Inline tables have none."""
    counts = {"metrics": 0, "attributes": 0}
    place, within_text = "", False
    for number, line in enumerate(text.split("\n"), 1):
        if not within_text and (header := _HEADER.match(line)):
            place = f"{header[1]}[{counts[header[1]]}]"
            counts[header[1]] += 1
            yield (place, ""), number
        elif not within_text and (key := _KEY.match(line)):
            yield (place, key[1]), number
        within_text ^= (line.count('"""') + line.count("'''")) % 2 == 1


def path_of(text: str) -> FieldPath:
    """``training_metrics.losses[0]``, with or without ``$.`` before it; a key with a dot in it as ``['a.b']``.

    Raises:
        ValueError: it is no such path.
    """
    rest = text.removeprefix("$")
    steps: list[str | int] = []
    position = 0
    while position < len(rest):
        found = _STEP.match(rest, position)
        # Keys are joined by dots; the first one needs none.
        if found is None or (found["key"] and position and not found[0].startswith(".")):
            raise ValueError(text)
        steps.append(int(found["place"]) if found["place"] else found["key"] or found["quoted"])
        position = found.end()
    if not 1 <= len(steps) <= STEPS_MAX:
        raise ValueError(text)
    return tuple(steps)


def _path(value: object) -> FieldPath:
    try:
        if isinstance(value, str):
            return path_of(value)
    except ValueError:
        pass
    raise ValueError(f"the way to the field, as in 'training_metrics.losses[0]', of at most {STEPS_MAX} steps")


def _moment_path(value: object) -> FieldPath | None:
    return None if value == "" else _path(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("a letter, then up to 254 letters, digits and . _ - /")
    return value


def _kind(value: object) -> str:
    if value not in ("gauge", "counter", "histogram"):
        raise ValueError("gauge, counter or histogram")
    return str(value)


def _unit(value: object) -> str:
    if not isinstance(value, str) or not _UNIT.fullmatch(value):
        raise ValueError("a unit in UCUM's notation, of at most 63 characters, or leave it out")
    return value


def _description(value: object) -> str:
    if not isinstance(value, str) or len(value) > DESCRIPTION_CHARACTERS_MAX:
        raise ValueError(f"a text of at most {DESCRIPTION_CHARACTERS_MAX} characters")
    return value


def _buckets(value: object) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else []
    finite = all(type(each) in (int, float) and abs(each) <= BUCKET_BOUND_MAX for each in numbers)
    if not finite or not 1 <= len(numbers) <= BUCKETS_MAX or sorted(set(numbers)) != numbers:
        raise ValueError(f"1 to {BUCKETS_MAX} numbers, each larger than the one before, at most 1e15")
    return tuple(numbers)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one kind of error for all of these
    return value


_TIMES: Dictionary[str, FieldPath | None] = {"written_at": DEFAULT.written_at, "started_at": DEFAULT.started_at}

"""Scenario files -> scenarios: strict, every problem at once, each with its line and how to mend it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness import yaml_lines
from harness.mending import mended, place_in_file
from harness.plausibility import Objection, nearest, objections
from harness.scenario import (
    BridgeSpec,
    CheckSpec,
    FaultSpec,
    FaultStep,
    InnerFault,
    JobSpec,
    Scenario,
    StartSpec,
    SteadyStep,
    StopSpec,
)
from harness.yaml_lines import Complaint, Document

SIZE_MAX_BYTES = 4 * 1024 * 1024
"""A scenario is a page of text, the longest a week of random faults (3.1 MB); a file beyond this is none."""

_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Scenario,
    ("start",): StartSpec,
    ("job",): JobSpec,
    ("bridge",): BridgeSpec,
    ("stop",): StopSpec,
    ("stop", "under"): FaultSpec,
    ("checks",): CheckSpec,
    ("timeline", "steady-step"): SteadyStep,
    ("timeline", "fault-step"): FaultStep,
    ("timeline", "fault-step", "inner"): InnerFault,
}
"""Which model reads which place of the file (indices left out)."""


_MAPPING = ("a mapping of keys to values", "write key: value")
_FORMS = {
    "string_pattern_mismatch": ("of small letters, digits and single hyphens", "write for example collector-outage"),
    "too_short": ("a list with something in it", "give one at least"),
    "string_type": ("a text", "put it in quotes"),
    "tuple_type": ("a list", "begin each of its lines with a hyphen, or write [a, b]"),
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "int_type": ("a whole number", "write for example 3"),
    "float_type": ("a number", "write for example 0.5"),
    "bool_type": ("true or false", "write one of these, without quotes"),
}
"""What pydantic calls a value of the wrong form -> what it must be, and how to write that."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a scenario file."""

    path: str
    line: int
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" + (f": {self.mend}" if self.mend else "")


class ScenarioFileError(Exception):
    """A scenario file that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load(path: Path) -> tuple[Scenario, ...]:
    """Read one file: its scenario, or one scenario ``name/variant`` for each of its variants.

    Raises:
        ScenarioFileError: the file cannot be read, or something in it is wrong.
    """
    try:
        data = _data(path)
    except FileNotFoundError:
        mend = "`python -m harness list` names the scenarios that there are"
        raise ScenarioFileError([Problem(str(path), 1, "there is no such file", mend)]) from None
    except OSError as error:
        raise ScenarioFileError([Problem(str(path), 1, f"cannot be read: {error.strerror}")]) from None
    if len(data) > SIZE_MAX_BYTES:
        mend = f"at most {SIZE_MAX_BYTES // 1024**2} MiB"
        raise ScenarioFileError([Problem(str(path), 1, "the file is too large for a scenario", mend)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        raise ScenarioFileError([Problem(str(path), line, message, "save the file as UTF-8")]) from None
    return parse(text, name=str(path))


def _data(path: Path) -> bytes:
    # Not blocking: to open a FIFO that nobody writes would wait for ever.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            message = "this is no regular file"
            raise ScenarioFileError([Problem(str(path), 1, message, "give the path of a scenario file")])
        return file.read(SIZE_MAX_BYTES + 1)


def parse(text: str, *, name: str) -> tuple[Scenario, ...]:
    """Turn a file's text into scenarios; ``name`` is what the file is called in the problems.

    Raises:
        ScenarioFileError: something in it is wrong.
    """
    document = yaml_lines.parse(text)
    complaints = list(document.complaints)
    scenarios: list[Scenario] = []
    if not isinstance(document.data, dict):
        if not complaints:
            complaints.append(Complaint(1, "a scenario is a mapping of keys to values"))
    else:
        for variant in _variants(document.data, document, complaints):
            scenario, found = _scenario(variant)
            complaints += found
            scenarios += [scenario] if scenario is not None and not found else []
    if complaints:
        # The same mistake in the base shows in every variant: once is enough.
        raise ScenarioFileError(sorted({Problem(name, c.line, c.message, c.mend) for c in complaints}))
    return tuple(scenarios)


@dataclass(frozen=True, slots=True)
class _Variant:
    data: dict[str, Any]
    document: Document


def _variants(data: dict[str, Any], document: Document, complaints: list[Complaint]) -> list[_Variant]:
    """Return the data of each scenario in the file, overrides merged over the base, with the lines they came from."""
    base = {key: value for key, value in data.items() if key != "variants"}
    if "variants" not in data:
        return [_Variant(base, document)]
    overrides = data["variants"]
    if not isinstance(overrides, dict) or not overrides:
        line = document.line_of(("variants",))
        complaints.append(Complaint(line, "variants is no mapping", "give each variant a name and what it changes"))
        return [_Variant(base, document)]
    found: list[_Variant] = []
    for variant, changes in overrides.items():
        path = ("variants", variant)
        if not isinstance(changes, dict):
            complaints.append(
                Complaint(document.line_of(path), f"the variant {variant!r} is no mapping of keys to values")
            )
            continue
        if "name" in changes:
            line = document.line_of((*path, "name"))
            complaints.append(Complaint(line, "a variant has no name key", f"it is called by its own key, {variant!r}"))
            continue
        lines = {place: line for place, line in document.lines.items() if place[:1] != ("variants",)}
        merged = _merged(base, changes, (), path, document, lines)
        if "name" in base:
            merged["name"] = f"{base['name']}/{variant}"
            lines["name",] = document.line_of(path)
        found.append(_Variant(merged, Document(merged, lines)))
    return found


def _merged(  # noqa: PLR0917 - one recursion; a record for its arguments would hide it
    base: Mapping[str, Any],
    changes: Mapping[str, Any],
    at: yaml_lines.Path,
    source: yaml_lines.Path,
    document: Document,
    lines: dict[yaml_lines.Path, int],
) -> dict[str, Any]:
    """Merge mappings key by key; anything else is replaced whole."""
    merged = dict(base)
    for key, value in changes.items():
        place, origin = (*at, key), (*source, key)
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value, place, origin, document, lines)
            continue
        merged[key] = value
        for inner in [inner for inner in lines if inner[: len(place)] == place]:
            del lines[inner]
        for inner, line in document.lines.items():
            if inner[: len(origin)] == origin:
                lines[(*place, *inner[len(origin) :])] = line
    return merged


def _scenario(variant: _Variant) -> tuple[Scenario | None, list[Complaint]]:
    try:
        # By way of JSON: strict models take a list for a tuple only there.
        scenario = Scenario.model_validate_json(json.dumps(variant.data))
    except ValidationError as error:
        found = [_complaint(details, variant) for details in error.errors()]
        rest, places = mended(variant.data)
        more = objections(rest) if rest is not None else []
        mends = [one for one in more if not any(one.path[: len(place)] == place for place in places)]
        return None, [*found, *(_from_objection(objection, variant.document) for objection in mends)]
    return scenario, [_from_objection(objection, variant.document) for objection in objections(scenario)]


def _from_objection(objection: Objection, document: Document) -> Complaint:
    return Complaint(document.line_of(objection.path), objection.message, objection.mend)


def _complaint(details: ErrorDetails, variant: _Variant) -> Complaint:
    """Say in the words of the file what pydantic found."""
    place = place_in_file(details["loc"], variant.data)
    line = variant.document.line_of(place)
    key = str(details["loc"][-1]) if details["loc"] else ""
    where = ".".join(map(str, place)) or "the scenario"
    match details["type"]:
        case "extra_forbidden":
            return Complaint(line, f"unknown key {key!r}", nearest(key, _known_keys(details["loc"][:-1])))
        case "missing":
            return Complaint(line, f"{key!r} is missing", f"{'.'.join(map(str, place)) or 'a scenario'} needs it")
        case "literal_error":
            value = str(details["input"])
            expected = str(details.get("ctx", {}).get("expected", ""))
            choices = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
            return Complaint(line, f"{where} cannot be {value!r}", nearest(value, choices))
        case kind if kind in _FORMS:
            form, mend = _FORMS[kind]
            return Complaint(line, f"{where} must be {form}, not {details['input']!r:.60}", mend)
        case "value_error":
            return Complaint(line, f"{where}: {details['msg'].removeprefix('Value error, ')}")
        case _:
            return Complaint(
                line, f"{where}: {details['msg'][0].lower()}{details['msg'][1:]}, not {details['input']!r:.60}"
            )


def _known_keys(loc: Sequence[str | int]) -> list[str]:
    model = _MODELS.get(tuple(element for element in loc if isinstance(element, str)))
    if model is None:
        return []
    keys = [field.alias or name for name, field in model.model_fields.items()]
    return [*keys, "variants"] if model is Scenario else keys

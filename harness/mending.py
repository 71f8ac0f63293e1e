"""Makes a malformed scenario whole enough to look at the rest of it, so that one reading finds everything wrong.

What is put in place of a bad value is chosen so that it raises no objection of its own: long phases, writes far apart.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.scenario import Scenario
from harness.yaml_lines import Path

_ROUNDS = 6
"""A mend can bring the next level's problems to light; a scenario is a few levels deep."""
_STEP = {"steady": "1000s"}
_CHECK = {"check": "none", "promise": "none"}
_IN_PLACE: Mapping[str, object] = {
    "name": "unnamed",
    "what": "what stands in for nothing",
    "why": "what stands in for nothing",
    "timeline": [_STEP],
    "checks": [_CHECK],
    "steady": "1000s",
    "for": "1000s",
    "write_period": "1000s",
    "interval": "1ms",
    "grace": "1000s",
    "fault": "none",
    "check": "none",
    "promise": "none",
}
_ITEMS: Mapping[object, object] = {"timeline": _STEP, "checks": _CHECK}


def mended(data: dict[str, Any]) -> tuple[Scenario | None, frozenset[Path]]:
    """Return a scenario made of what is right in ``data``, and the mended places; None: too little is right."""
    whole = copy.deepcopy(data)
    places: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            return Scenario.model_validate_json(json.dumps(whole)), frozenset(places)
        except ValidationError as error:
            for details in error.errors():
                places.add(_mend(whole, details))
    return None, frozenset(places)


def place_in_file(loc: tuple[str | int, ...], data: Any) -> Path:  # noqa: ANN401 - what a YAML file holds
    """Drop from pydantic's location what is no key of the file (the names of a step's forms, a missing key)."""
    place: list[str | int] = []
    for element in loc:
        in_mapping = isinstance(data, dict) and element in data
        in_sequence = isinstance(data, list) and isinstance(element, int) and element < len(data)
        if in_mapping or in_sequence:
            data = data[element]
            place.append(element)
    return tuple(place)


def _mend(whole: dict[str, Any], details: ErrorDetails) -> Path:
    place = place_in_file(details["loc"], whole)
    if details["type"] == "missing":
        place = (*place, details["loc"][-1])
    if not place:
        return place
    parent: Any = whole
    for element in place[:-1]:
        parent = parent[element]
    last = place[-1]
    if isinstance(parent, list):
        if place[-2] in _ITEMS:
            parent[int(last)] = _ITEMS[place[-2]]
        else:
            del parent[int(last)]
            return place[:-1]
    elif details["type"] != "extra_forbidden" and last in _IN_PLACE:
        parent[last] = copy.deepcopy(_IN_PLACE[str(last)])
    else:
        parent.pop(last, None)
    return place

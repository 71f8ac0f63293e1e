"""The JSON Schema of scenario files, for editors: keys, words and their meaning while one types.

It is made from the models and the tables, so it cannot know more than they do. It is not what decides: `loading.py`
does, which also sees what a schema cannot (a budget that is too loose, a check without samples).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.checks import CHECKS
from harness.faults import FAULTS
from harness.promises import load as load_promises
from harness.scenario import DURATION_SCHEMA, Scenario

SCHEMA_FILE = "schema.json"
"""In the folder of the scenarios."""
_FAULT_MODELS = ("FaultSpec", "FaultStep", "InnerFault")
_ALWAYS = ["name"]
"""What a file must say even where its variants say the rest."""


def render() -> str:
    """Return the schema as JSON."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema."""
    made: dict[str, Any] = _tidied(Scenario.model_json_schema(by_alias=True))
    models = made["$defs"]
    models["CheckSpec"] |= _checks(models["CheckSpec"]["properties"])
    for name in _FAULT_MODELS:
        models[name]["properties"]["fault"] = _words({word: kind.what for word, kind in FAULTS.items()})
        models[name]["allOf"] = [{"$ref": "#/$defs/ParametersOfFaults"}]
    models |= _parameters()
    required = made.pop("required")
    variant = {key: body for key, body in made["properties"].items() if key != "name"}
    made["properties"] |= {
        "variants": {
            "description": "A scenario `name/variant` for each: what it says replaces what stands above, key by key.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "properties": variant, "additionalProperties": False},
        },
    }
    made |= {"required": _ALWAYS, "if": {"not": {"required": ["variants"]}}, "then": {"required": required}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A scenario of bridge-harness", **made}


def _checks(properties: dict[str, Any]) -> dict[str, Any]:
    """Which checks there are, which promises, and which check a promise has a budget for."""
    promises = load_promises().promises
    properties["check"] = _words({name: check.what for name, check in CHECKS.items()})
    properties["promise"] = _words({name: promise.says for name, promise in promises.items()})
    return {
        "allOf": [
            _when("promise", name, {"check": {"enum": list(promise.budgets)}}) for name, promise in promises.items()
        ]
    }


def _parameters() -> dict[str, Any]:
    """Which parameters each fault takes."""
    definitions: dict[str, Any] = {}
    rules = []
    for name, kind in FAULTS.items():
        body = _tidied(kind.parameters.model_json_schema(by_alias=True))
        definitions |= body.pop("$defs", {})
        rules.append(_when("fault", name, {"with": body}))
    return {**definitions, "ParametersOfFaults": {"allOf": rules}}


def _when(key: str, word: str, then: Mapping[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {key: {"const": word}}, "required": [key]}, "then": {"properties": then}}


def _words(meaning: Mapping[str, str]) -> dict[str, Any]:
    return {"enum": list(meaning), "markdownEnumDescriptions": list(meaning.values())}


def _tidied(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Leave out titles that repeat the keys, and write the defaults of durations as durations."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {key: _tidied(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if tidied.get("pattern") == DURATION_SCHEMA["pattern"] and isinstance(tidied.get("default"), int | float):
        tidied["default"] = f"{tidied['default']:g}s"
    return tidied

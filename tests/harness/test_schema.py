"""The schema that editors are given: in step with the models and tables, and of one mind with the loader."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from harness import yaml_lines
from harness.catalogue import files
from harness.checks import CHECKS
from harness.command_line import cli
from harness.faults import FAULTS
from harness.schema import SCHEMA_FILE, render, schema

FOLDER = Path(__file__).parents[2] / "scenarios"
VALIDATOR = Draft202012Validator(schema())
GOOD: dict[str, Any] = {
    "name": "by-hand",
    "what": "Something happens to the bridge.",
    "why": "Because it may happen at any time.",
    "warm_up": "2s",
    "timeline": [
        {"steady": "12s"},
        {"name": "outage", "fault": "collector-refused", "for": "1.5m", "recovery": "500ms"},
        {"fault": "file-malformed", "with": {"content": "empty"}, "for": "2s"},
    ],
    "checks": [{"check": "alive", "promise": "survives-bad-input"}],
}


def problems(document: object) -> list[str]:
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_committed_schema_is_the_one_that_the_models_make():
    assert (FOLDER / SCHEMA_FILE).read_text(encoding="utf-8") == render(), (
        "make it anew: python -m harness schema > scenarios/schema.json"
    )


def test_the_schema_is_a_schema_and_the_verb_prints_it():
    Draft202012Validator.check_schema(schema())
    assert CliRunner().invoke(cli, ["schema"]).output == render()


@pytest.mark.parametrize("path", files(FOLDER), ids=lambda path: path.stem)
def test_every_scenario_of_ours_keeps_to_it(path: Path):
    assert problems(yaml_lines.parse(path.read_text(encoding="utf-8")).data) == []


def test_a_good_document_keeps_to_it():
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("extra",), 1),
        (("warm_up",), 2),
        (("warm_up",), "-2s"),
        (("timeline", 0, "steady"), "2 seconds"),
        (("timeline", 1, "fault"), "collector-gone"),
        (("timeline", 1, "recover"), "1s"),
        (("timeline", 2, "with", "content"), "nonsense"),
        (("timeline", 2, "with", "contents"), "empty"),
        (("checks", 0, "check"), "aliv"),
        (("checks", 0, "promise"), "survives"),
        (("checks", 0, "promise"), "network"),
        (("variants",), {}),
        (("variants",), {"one": {"extra": 1}}),
        (("profile",), "quick"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_loader_refuses_an_editor_marks_too(place: tuple[str | int, ...], value: object):
    document = copy.deepcopy(GOOD)
    parent: Any = document
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value

    assert problems(document)


def test_what_a_file_leaves_to_its_variants_is_not_missed():
    base = {key: value for key, value in GOOD.items() if key not in {"timeline", "what"}}

    assert problems(base)
    assert problems({**base, "variants": {"one": {"what": GOOD["what"], "timeline": GOOD["timeline"]}}}) == []


def test_every_check_and_every_fault_is_offered_with_what_it_means():
    models = schema()["$defs"]

    assert models["CheckSpec"]["properties"]["check"]["enum"] == list(CHECKS)
    fault = models["FaultStep"]["properties"]["fault"]
    assert dict(zip(fault["enum"], fault["markdownEnumDescriptions"], strict=True)) == {
        name: kind.what for name, kind in FAULTS.items()
    }


def test_what_stands_below_a_field_is_told_by_the_editor():
    grace = schema()["$defs"]["StopSpec"]["properties"]["grace"]

    assert grace["default"] == "20s"
    assert grace["description"].startswith("After the signal, how long until the harness kills the bridge")

"""A table of one's own: the default as people write it, every error with its line and its mend, and what it carries."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import mapping_file
from bridge.errors import SettingsError
from bridge.instruments import Instruments, points_of
from bridge.mapping import DEFAULT, Mapping, MetricRule, spelled
from bridge.metrics_file import Identity, Reading
from bridge.prometheus_names import series_of
from bridge.settings import Settings
from bridge.snapshot import LeftOut, parse

ROOT = Path(__file__).parents[2]
SHIPPED = Path(mapping_file.__file__).with_name("mapping.toml")

GAUGE = '[[metrics]]\nfield = "loss"\nname = "loss"\nkind = "gauge"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mapping.toml"


def problems(file: Path, text: str) -> list[tuple[int, str]]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        mapping_file.load(file)
    found = []
    for problem in raised.value.problems:
        path, _, line = problem.value.rpartition(":")
        assert (problem.name, path) == ("BRIDGE_MAPPING_FILE", str(file))
        found.append((int(line), problem.allowed))
    return found


def loaded(file: Path, text: str) -> Mapping:
    file.write_text(text, encoding="utf-8")
    return mapping_file.load(file)


def test_the_shipped_file_is_the_default_table():
    assert mapping_file.load(SHIPPED) == DEFAULT


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("loss", ("loss",)),
        ("a.b.c", ("a", "b", "c")),
        ("$.a.b", ("a", "b")),
        ("losses[0]", ("losses", 0)),
        ("losses[-1].value", ("losses", -1, "value")),
        ("$[2]", (2,)),
        ("['a.b'].c", ("a.b", "c")),
        ('a["b c"]', ("a", "b c")),
        ("heads[0][1]", ("heads", 0, 1)),
    ],
)
def test_a_path_leads_through_objects_and_lists(text: str, path: tuple[str | int, ...]):
    assert mapping_file.path_of(text) == path


@pytest.mark.parametrize("text", ["", "$", ".", "a..b", "a.", "a[b]", "a[1", "a b", "a]", "['a'", "a.b" * 17, "a[1.5]"])
def test_what_is_no_path_is_refused(text: str):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - its text is the path
        mapping_file.path_of(text)
    assert str(raised.value) == text


@given(st.lists(st.one_of(st.integers(-9, 9), st.from_regex(r"[a-z_]{1,5}", fullmatch=True)), min_size=1, max_size=16))
def test_a_path_that_is_spelled_is_read_as_it_was(path: list[str | int]):
    assert mapping_file.path_of(spelled(tuple(path))) == tuple(path)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "metrics is missing; add a table [[metrics]]"),
        ("metrics = 5", 1, "metrics is no list of tables; begin each of them with a line [[metrics]]"),
        (GAUGE + "x = 1\n", 5, "metrics[0].x is unknown; known are buckets, description"),
        ("y = 1\n" + GAUGE, 1, "y is unknown"),
        ('[[metrics]]\nname = "a"\nkind = "gauge"\n', 1, "metrics[0].field is missing; add it"),
        (GAUGE.replace('"gauge"', '"guage"'), 4, "metrics[0].kind is 'guage'; write gauge, counter or histogram"),
        (GAUGE.replace('"gauge"', "[1]"), 4, "metrics[0].kind is [1]; write gauge, counter or histogram"),
        (GAUGE.replace('name = "loss"', 'name = "1st"'), 3, "metrics[0].name is '1st'; write a letter, then"),
        (
            GAUGE.replace('field = "loss"', 'field = "a..b"'),
            2,
            "metrics[0].field is 'a..b'; write the way to the field",
        ),
        (GAUGE.replace('field = "loss"', "field = 5"), 2, "metrics[0].field is 5; write the way to the field"),
        (GAUGE + 'unit = "a b"\n', 5, "metrics[0].unit is 'a b'; write a unit in UCUM's notation"),
        (GAUGE + "description = 5\n", 5, "metrics[0].description is 5; write a text"),
        (GAUGE + "buckets = [1]\n", 5, "metrics[0].buckets is of a gauge; take them out, or make it a histogram"),
        (GAUGE.replace("gauge", "histogram"), 4, "metrics[0].kind is a histogram; add its buckets"),
        (GAUGE.replace("gauge", "histogram") + "buckets = [2, 1]\n", 5, "each larger than the one before"),
        (GAUGE.replace("gauge", "histogram") + "buckets = []\n", 5, "write 1 to 100 numbers"),
        (GAUGE.replace("gauge", "histogram") + "buckets = [1, inf]\n", 5, "write 1 to 100 numbers"),
        (GAUGE.replace("gauge", "histogram") + "buckets = [nan]\n", 5, "write 1 to 100 numbers"),
        (GAUGE.replace("gauge", "histogram") + "buckets = [true]\n", 5, "write 1 to 100 numbers"),
        (GAUGE + 'restarts_with = "loss"\n', 5, "metrics[0].restarts_with is of a gauge; take it out"),
        (GAUGE.replace("gauge", "counter") + 'restarts_with = "loss"\n', 5, "write the name of another counter"),
        (GAUGE + GAUGE, 7, "metrics[1].name is 'loss', which is there already; write another name"),
        (
            GAUGE.replace('name = "loss"', 'name = "a.b"') + GAUGE.replace('name = "loss"', 'name = "A_b"'),
            7,
            "metrics[1].name is 'A_b', which is the same as 'a.b' in Prometheus; write another name",
        ),
        (
            GAUGE.replace("gauge", "counter") + GAUGE.replace('name = "loss"', 'name = "loss.total"'),
            7,
            "'loss.total', which is loss_total in Prometheus as 'loss' is; rename it",
        ),
        (
            GAUGE + 'unit = "ms"\n' + GAUGE.replace('name = "loss"', 'name = "loss.milliseconds"'),
            8,
            "'loss.milliseconds', which is loss_milliseconds in Prometheus as 'loss' is; rename it",
        ),
        (
            GAUGE.replace("gauge", "histogram") + "buckets = [1]\n" + GAUGE.replace('"loss"\nk', '"loss.count"\nk'),
            8,
            "'loss.count', which is loss_count in Prometheus as 'loss' is; rename it",
        ),
        (GAUGE + '[[attributes]]\nfield = "a"\nname = "le"\n', 7, "'le', which is Prometheus' own; write another name"),
        (GAUGE + '[[attributes]]\nfield = "loss"\nname = "x"\n', 6, "so that each new value would begin new series"),
        (GAUGE + '[[attributes]]\nfield = "a"\nname = "x"\nidentifies_job = 1\n', 8, "write true or false"),
        (
            GAUGE + "".join(f'[[attributes]]\nfield = "{a}"\nname = "{a}"\nidentifies_job = true\n' for a in "ab"),
            12,
            "attributes[1].identifies_job is true a second time; let one attribute name the job",
        ),
        (
            GAUGE + "".join(f'[[attributes]]\nfield = "a{n}"\nname = "a{n}"\n' for n in range(17)),
            53,
            "attributes[16] is one too many; there may be 16 of them",
        ),
        ("".join(GAUGE.replace('name = "loss"', f'name = "m{n}"') for n in range(201)), 801, "one too many"),
        (GAUGE + 'written_at = ""\n[[metrics]\n', 6, "no TOML: "),
        (GAUGE + "a = [\n" + "[" * 5000 + "]" * 5000 + "]\n", 6, "lists and tables nested less deeply"),
        (GAUGE + "a = " + "9" * 5000 + "\n", 5, "numbers of less than 4000 digits"),
        ('a = """\n[[metrics]]\n"""\n' + GAUGE.replace('"gauge"', '"x"'), 7, "metrics[0].kind is 'x'"),
    ],
)
def test_an_error_names_its_line_and_its_mend(file: Path, text: str, line: int, what: str):
    found = problems(file, text)
    assert any(at == line and what in told for at, told in found), found


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *((name, "") for name in ("le", "quantile", "job", "instance", "otel_scope_name", "otel_scope_version")),
        ("otel_scope_schema_url", ""),
        ("otel.scope.name", "as otel_scope_name "),
        ("otel-scope/schema.url", "as otel_scope_schema_url "),
        ("otel_scope__version", "as otel_scope_version "),
    ],
)
def test_an_attribute_that_would_be_a_label_twice_is_an_error(file: Path, name: str, label: str):
    told = f"attributes[0].name is {name!r}, which {label}is Prometheus' own; write another name"
    assert problems(file, GAUGE + f'[[attributes]]\nfield = "a"\nname = "{name}"\n') == [(7, told)]


@pytest.mark.parametrize("name", ["Job", "job.", "job_id", "INSTANCE", "otel.scope", "otel_scope_Name", "l.e"])
def test_an_attribute_whose_label_is_nobody_elses_is_taken(file: Path, name: str):
    file.write_text(GAUGE + f'[[attributes]]\nfield = "a"\nname = "{name}"\n')
    assert [each.name for each in mapping_file.load(file).attributes] == [name]


def test_all_errors_are_told_together_and_beside_those_of_other_settings(file: Path):
    file.write_text(GAUGE.replace("gauge", "x") + GAUGE.replace('name = "loss"', 'name = ""') + "z = 1\n")
    with pytest.raises(SettingsError) as raised:
        Settings.from_mapping({"BRIDGE_MAPPING_FILE": str(file), "COLLECTION_INTERVAL": "soon"})
    told = [str(problem) for problem in raised.value.problems]
    assert len(told) == 4
    assert told[0].startswith("COLLECTION_INTERVAL='soon'")
    assert f"BRIDGE_MAPPING_FILE='{file}:4': metrics[0].kind is 'x'; write gauge, counter or histogram" in told


@pytest.mark.parametrize("name", ["nothing", "folder", "fifo", "latin-1", "large"])
def test_a_mapping_file_that_cannot_be_read_is_an_error_at_once(tmp_path: Path, name: str):
    path = tmp_path / name
    {
        "nothing": lambda: None,
        "folder": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "latin-1": lambda: path.write_bytes(b"# \xe9"),
        "large": lambda: path.write_bytes(b"#" * (mapping_file.SIZE_MAX_BYTES + 1)),
    }[name]()
    with pytest.raises(SettingsError, match=rf"BRIDGE_MAPPING_FILE='{path}': (the path of a file|a file)"):
        mapping_file.load(path)


@given(st.text())
def test_no_text_at_all_raises_anything_but_a_settings_error(tmp_path_factory: pytest.TempPathFactory, text: str):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SettingsError):
        mapping_file.load(file)


OWN = """
written_at = ""
started_at = "run.began"

[[metrics]]
field = "loss[-1]"
name = "own.loss"
kind = "gauge"

[[metrics]]
field = "tokens.seen"
name = "own.tokens"
kind = "counter"
unit = "{token}"
description = "Tokens seen"

[[metrics]]
field = "step_seconds"
name = "own.step"
kind = "histogram"
unit = "s"
buckets = [0.1, 1, 10]

[[attributes]]
field = "run.id"
name = "run"
identifies_job = true
"""


def test_a_table_of_ones_own_is_what_is_carried(file: Path):
    table = loaded(file, OWN)
    document = {
        "loss": [3.0, 2.0, 0.5],
        "tokens": {"seen": 4096},
        "step_seconds": 0.5,
        "run": {"id": "r-1", "began": "2024-10-22T10:00:00Z"},
    }
    reading = Reading(json.dumps(document).encode(), Identity(1, 1, 1), 0.0, 1_729_593_000 * 10**9)
    snapshot = parse(reading, table)
    assert dict(snapshot.values) == {"own.loss": 0.5, "own.tokens": 4096, "own.step": 0.5}
    assert dict(snapshot.attributes) == {"run": "r-1"}
    assert snapshot.started_at_unix_nano == 1_729_591_200 * 10**9
    assert snapshot.left_out == ()

    made = Instruments({"service.name": "own"}, 0, table)
    made.record(snapshot)
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415 - slow

    request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(made.collect(reading.time_unix_nano) or b"")
    metrics = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "own.loss": "",
        "own.tokens": "{token}",
        "own.step": "s",
    }
    (point,) = points_of(metrics["own.step"])
    assert tuple(point.explicit_bounds) == (0.1, 1, 10)


def test_a_place_that_a_list_does_not_have_is_missing(file: Path):
    table = loaded(file, OWN)
    reading = Reading(b'{"loss": [], "tokens": [1], "step_seconds": {"a": 1}}', Identity(1, 1, 1), 0.0, 0)
    assert set(parse(reading, table).left_out) == {
        LeftOut("loss[-1]", "missing"),
        LeftOut("tokens.seen", "missing"),
        LeftOut("step_seconds", "object"),
        LeftOut("run.id", "missing"),
        LeftOut("run.began", "missing"),
    }


def test_without_a_mapping_file_none_is_read_or_parsed():
    script = "import sys; from bridge.settings import Settings; Settings.from_mapping({}); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {"tomllib", "bridge.mapping_file"} & set(ended.stdout.split())


def test_the_names_in_prometheus_are_those_of_the_document():
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    row = r"^\| `(ml\.[a-z_.]+)` \|[^|]*\|[^|]*\| `training_metrics[^|]*\| `([a-z_]+)` \|$"
    told = dict(re.findall(row, text, re.MULTILINE))
    assert {rule.name: series_of(rule)[0] for rule in DEFAULT.metrics} == told


@pytest.mark.parametrize(
    ("kind", "unit", "name"),
    [
        ("gauge", "1", "speed_ratio"),
        ("gauge", "{sample}/s", "speed_per_second"),
        ("counter", "By", "speed_bytes_total"),
        ("gauge", "furlong", "speed_furlong"),
    ],
)
def test_a_unit_becomes_part_of_the_name_in_prometheus(kind: Literal["gauge", "counter"], unit: str, name: str):
    rule = MetricRule(("speed",), "speed", kind, unit, "", (), None)
    assert series_of(rule) == [name]

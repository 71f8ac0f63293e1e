"""What becomes of every kind of input, walked from the tables of docs/metrics-file.md; nothing else can happen."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.errors import SnapshotError
from bridge.mapping import DEFAULT, Mapping, MetricRule
from bridge.metrics_file import Identity, Reading
from bridge.snapshot import LeftOut, Snapshot, parse

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs" / "metrics-file.md").read_text(encoding="utf-8")
COMPLETE = (ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json").read_bytes()
READ_AT = 1_729_593_001 * 10**9

# One field of each kind, by its column in the table.
COLUMNS = {
    "gauge": ("training_metrics", "accuracy"),
    "counter": ("training_metrics", "epoch"),
    "histogram": ("training_metrics", "samples_per_second"),
    "attribute": ("job_metadata", "model_name"),
    "time": ("job_metadata", "start_time"),
}


def reading(data: bytes) -> Reading:
    return Reading(data, Identity(1, 2, READ_AT), monotonic_seconds=10.0, time_unix_nano=READ_AT)


def table_of(*path: str | int) -> Mapping:
    """A mapping of one gauge and nothing else."""
    rule = MetricRule(path, "loss", "gauge", "", "The loss.")
    return Mapping((rule,), (), identifies_job=None, written_at=None, started_at=None)


def table_under(heading: str) -> list[list[str]]:
    section = CONTRACT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def with_literal(section: str, field: str, literal: str) -> bytes:
    """The complete file with another JSON text as one field's value."""
    mark = "@@@"
    document = json.loads(COMPLETE)
    document[section][field] = mark
    return json.dumps(document).replace(f'"{mark}"', literal).encode("utf-8", "surrogatepass")


def twice(section: str, field: str) -> bytes:
    return with_literal(section, field, f'1, "{field}": 2')


def without(section: str, field: str) -> bytes:
    document = json.loads(COMPLETE)
    del document[section][field]
    return json.dumps(document).encode()


def section_as(section: str, value: object) -> bytes:
    return json.dumps(json.loads(COMPLETE) | {section: value}).encode()


def without_section(section: str) -> bytes:
    document = json.loads(COMPLETE)
    del document[section]
    return json.dumps(document).encode()


def section_twice(section: str) -> bytes:
    return COMPLETE.rstrip().removesuffix(b"}") + b', "%s": {}}' % section.encode()


WRITTEN_OUT = {
    "an integer of 400 digits": "9" * 400,
    "an integer of a million digits": "9" * 1_000_000,
    "a fraction of a million digits": "0." + "3" * 1_000_000,
    "a text of 256 characters": '"' + "x" * 256 + '"',
    "a text of 257 characters": '"' + "x" * 257 + '"',
    "a text of 100 000 characters": '"' + "x" * 100_000 + '"',
    "a text with a raw control character": '"a\x00b\x1b"',
}
DOCUMENTS: dict[str, Callable[[str, str], bytes]] = {
    "the key twice": twice,
    "no such key": without,
    "no such section": lambda section, _: without_section(section),
    "a section that is no object": lambda section, _: section_as(section, [1, 2]),
    "the section twice": lambda section, _: section_twice(section),
}


def document_of(value: str, section: str, field: str) -> bytes:
    if value in DOCUMENTS:
        return DOCUMENTS[value](section, field)
    return with_literal(section, field, WRITTEN_OUT.get(value) or value.strip("`"))


def outcome_of(snapshot: Snapshot, column: str) -> str:
    section, field = COLUMNS[column]
    for left_out in snapshot.left_out:
        if left_out.field == f"{section}.{field}":
            return left_out.reason
    if column == "attribute":
        return f"sent: {snapshot.attributes['model.name']}"
    if column == "time":
        return f"sent: {snapshot.started_at_unix_nano}"
    rule = next(rule for rule in DEFAULT.metrics if rule.path == (section, field))
    return f"sent: {snapshot.values[rule.name]!r}"


def same(found: str, told: str) -> bool:
    if told == "sent: 256 times x":
        return found == "sent: " + "x" * 256
    numeric = re.compile(r"sent: -?[\d.e+]+")
    if numeric.fullmatch(found) and numeric.fullmatch(told):
        return float(found[6:]) == float(told[6:])
    return found == told


FIELD_CASES = [
    pytest.param(row[0], column, told, id=f"{row[0].strip('`')} as {column}")
    for row in table_under("What becomes of each value")
    for column, told in zip(COLUMNS, row[1:], strict=True)
]


@pytest.mark.parametrize(("value", "column", "told"), FIELD_CASES)
def test_a_value_becomes_what_the_contract_says(value: str, column: str, told: str):
    section, field = COLUMNS[column]
    snapshot = parse(reading(document_of(value, section, field)))
    assert same(outcome_of(snapshot, column), told), outcome_of(snapshot, column)[:200]


@pytest.mark.parametrize("value", sorted({case.values[0] for case in FIELD_CASES} - {*DOCUMENTS} | {"the key twice"}))
def test_a_bad_field_costs_that_field_alone(value: str):
    whole = parse(reading(COMPLETE))
    for section, field in COLUMNS.values():
        snapshot = parse(reading(document_of(value, section, field)))
        assert {left_out.field for left_out in snapshot.left_out} <= {f"{section}.{field}"}
        kept = {rule.name for rule in DEFAULT.metrics if rule.path != (section, field)}
        assert {name: snapshot.values[name] for name in kept} == {name: whole.values[name] for name in kept}


NO_SNAPSHOTS = {
    "empty": [b""],
    "blank": [b" ", b"\r\n\t ", "\u00a0".encode()],
    "cut anywhere": [COMPLETE[:end] for end in range(1, len(COMPLETE.rstrip()))],
    "not JSON": [b"nonsense", b"{'a': 1}", b"{", b'{"a": 01}', b"\x00\x01" * 0 + b"<html>"],
    "two objects": [COMPLETE + COMPLETE],
    "UTF-16": [COMPLETE.decode().encode(coding) for coding in ("utf-16", "utf-16-le", "utf-16-be")],
    "UTF-32": [COMPLETE.decode().encode(coding) for coding in ("utf-32", "utf-32-le", "utf-32-be")],
    "NUL only": [b"\0" * 4096],
    "invalid UTF-8": [COMPLETE.replace(b"resnet", b"\xff\xfe"), b'{"a": "\xed\xa0\x80"}', b"\xc0\xaf"],
    "a list": [b"[]", b"[1, 2]", b"[" + COMPLETE + b"]"],
    "a number": [b"1", b"NaN", b"1e999"],
    "null": [b"null", b'"text"', b"true"],
    "100 000 levels deep": [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000],
}
NO_SNAPSHOT_TABLE = dict(table_under("What is no snapshot"))


def test_every_row_of_the_contract_has_its_input():
    assert NO_SNAPSHOT_TABLE.keys() == NO_SNAPSHOTS.keys()


@pytest.mark.parametrize("name", NO_SNAPSHOTS)
def test_bytes_that_are_no_snapshot_are_refused_for_the_reason_of_the_contract(name: str):
    for data in NO_SNAPSHOTS[name]:
        with pytest.raises(SnapshotError, match="^" + re.escape(NO_SNAPSHOT_TABLE[name])):
            parse(reading(data))


def test_the_refusal_names_the_place():
    with pytest.raises(SnapshotError) as refused:
        parse(reading(b'{"a": 1, "b": one}'))
    assert refused.value.position == 14
    assert "position 14" in str(refused.value)


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_mark_where_it_has_no_nul(coding: str):
    with pytest.raises(SnapshotError, match=r"^UTF-16 or UTF-32.* at position 0$") as refused:
        parse(reading("\ufeff\u635f\u5931".encode(coding)))
    assert refused.value.position == 0


def test_a_nul_is_a_sign_of_another_coding_in_the_first_four_bytes_only():
    with pytest.raises(SnapshotError, match=r"^UTF-16 or UTF-32"):
        parse(reading(b'{"a\x00": 1}'))
    assert parse(reading(b'{"ab\x00": 1}')).values == {}


def test_a_byte_order_mark_is_skipped():
    assert parse(reading(b"\xef\xbb\xbf" + COMPLETE)) == parse(reading(COMPLETE))


def test_the_complete_file_is_taken_whole_and_stands_in_the_contract():
    snapshot = parse(reading(COMPLETE))
    assert snapshot.left_out == ()
    assert snapshot.values == {
        "ml.training.loss": 0.342,
        "ml.validation.loss": 0.389,
        "ml.training.accuracy": 0.876,
        "ml.training.learning_rate": 0.001,
        "ml.training.gpu_utilization": 0.94,
        "ml.training.batch_number": 150,
        "ml.training.epoch": 5,
        "ml.training.processing_time": 245.0,
        "ml.training.samples_per_second": 156.2,
    }
    assert snapshot.attributes == {"job.id": "training-job-123", "model.name": "resnet-50", "dataset": "imagenet"}
    assert snapshot.started_at_unix_nano == 1_729_591_200 * 10**9
    assert snapshot.written_at_unix_nano == 1_729_593_000_250 * 10**6
    assert COMPLETE.decode() in CONTRACT


def test_a_zero_has_no_sign():
    for literal in ("-0.0", "-0", "0.0"):
        carried = parse(reading(with_literal(*COLUMNS["gauge"], literal))).values["ml.training.accuracy"]
        assert (carried, math.copysign(1, carried)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("column", "literal", "reason"),
    [
        ("counter", "9007199254740992", None),
        ("counter", "9007199254740993", "out-of-range"),
        ("histogram", "1e15", None),
        ("histogram", "1000000000000001", "out-of-range"),
        ("histogram", "0", None),
    ],
)
def test_the_largest_number_is_carried_and_the_next_one_is_not(column: str, literal: str, reason: str | None):
    section, field = COLUMNS[column]
    left_out = parse(reading(with_literal(section, field, literal))).left_out
    assert left_out == (() if reason is None else (LeftOut(f"{section}.{field}", reason),))


@pytest.mark.parametrize(
    ("moment", "nanoseconds", "reason"),
    [
        ("2024-10-23T10:30:01+00:00", READ_AT + 24 * 3600 * 10**9, None),
        ("2024-10-23T10:30:01.000001+00:00", None, "in-the-future"),
        ("1970-01-01T00:00:00Z", 0, None),
        ("1969-12-31T23:59:59.999999Z", None, "before-1970"),
    ],
)
def test_a_moment_lies_between_1970_and_a_day_after_the_reading(
    moment: str, nanoseconds: int | None, reason: str | None
):
    snapshot = parse(reading(with_literal(*COLUMNS["time"], f'"{moment}"')))
    assert snapshot.started_at_unix_nano == nanoseconds
    assert snapshot.left_out == (() if reason is None else (LeftOut("job_metadata.start_time", reason),))


@pytest.mark.parametrize("place", [0, 1, -1, -2])
def test_a_path_finds_places_in_lists_from_both_ends(place: int):
    assert parse(reading(b'{"losses": [7, 8]}'), table_of("losses", place)).values == {"loss": (7, 8)[place]}


@pytest.mark.parametrize("place", [2, -3])
def test_a_place_beyond_either_end_of_a_list_is_missing(place: int):
    snapshot = parse(reading(b'{"losses": [7, 8]}'), table_of("losses", place))
    assert snapshot.left_out == (LeftOut(f"losses[{place}]", "missing"),)


@pytest.mark.parametrize("losses", ['"78"', '{"0": 7}', "78", "null"])
def test_what_is_no_list_has_no_places(losses: str):
    snapshot = parse(reading(f'{{"losses": {losses}}}'.encode()), table_of("losses", 0))
    assert snapshot.left_out == (LeftOut("losses[0]", "missing"),)


def test_fields_that_nobody_asked_for_are_not_looked_at():
    document = json.loads(COMPLETE) | {"more": [{"deep": [None]}]}
    document["training_metrics"]["perplexity"] = "high"
    assert parse(reading(json.dumps(document).encode())) == parse(reading(COMPLETE))


def test_a_file_without_sections_is_a_snapshot_of_nothing():
    snapshot = parse(reading(b"{}"))
    assert not snapshot.values
    assert not snapshot.attributes
    assert LeftOut("training_metrics.training_loss", "missing") in snapshot.left_out
    assert LeftOut("timestamp", "missing") in snapshot.left_out


def test_a_snapshot_cannot_be_changed():
    with pytest.raises(TypeError):
        parse(reading(COMPLETE)).values["ml.training.loss"] = 1.0


@settings(max_examples=400, deadline=1000)
@given(st.binary(max_size=2000))
@example(b"\xef\xbb\xbf")
@example(b'{"training_metrics": {"epoch": ' + b"9" * 5000 + b"}}")
def test_no_bytes_raise_anything_but_a_snapshot_error(data: bytes):
    with contextlib.suppress(SnapshotError):
        parse(reading(data))


# Any JSON that Python's encoder can write, NaN and lone surrogates included, in the places that are looked at.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**350), max_value=10**350)
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": ANYTHING,
        "job_metadata": ANYTHING
        | st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("job_id", "model_name", "dataset", "start_time"), ANYTHING)
        ),
        "training_metrics": ANYTHING
        | st.fixed_dictionaries({}, optional={rule.path[1]: ANYTHING for rule in DEFAULT.metrics}),
    },
)


@settings(max_examples=300, deadline=1000)
@given(SECTIONS)
def test_every_field_of_any_document_is_either_carried_or_left_out(document: dict[str, object]):
    snapshot = parse(reading(json.dumps(document).encode()))
    carried = len(snapshot.values) + len(snapshot.attributes)
    carried += (snapshot.written_at_unix_nano is not None) + (snapshot.started_at_unix_nano is not None)
    assert carried + len(snapshot.left_out) == len(DEFAULT.metrics) + len(DEFAULT.attributes) + 2
    assert all(value - value == 0 for value in snapshot.values.values()), "finite, all of them"


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 262_144,
        b'{"a":' * 52_000,
        b"[" + b"[]," * 87_000 + b"[]]",
        b'{"training_metrics": {' + b",".join(b'"%d": 1' % number for number in range(24_000)) + b"}}",
        b'{"training_metrics": {' + b",".join([b'"epoch": 1'] * 24_000) + b"}}",
        b'"' + b"\\u0041" * 43_000 + b'"',
        b"9" * 262_144,
        b"1e" + b"9" * 262_000,
        b'{"timestamp": "' + b"9" * 262_000 + b'"}',
    ],
    ids=["lists", "objects", "many lists", "many keys", "one key", "escapes", "digits", "exponent", "long time"],
)
def test_a_file_of_the_largest_size_takes_bounded_time(data: bytes):
    begin = time.process_time()
    with contextlib.suppress(SnapshotError):
        parse(reading(data))
    assert time.process_time() - begin < 0.5

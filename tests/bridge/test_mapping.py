"""The table of the nine, and docs/metrics.md, which says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.mapping import DEFAULT, MetricRule

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip(" `") for cell in line.strip("|").split("|")]
    for line in DOCUMENT.splitlines()
    if line.startswith(("| `ml.training.", "| `ml.validation."))
]


def prometheus_name(rule: MetricRule) -> str:
    """The Collector's and Prometheus' default translation, as far as the nine need it."""
    unit = {"": "", "ms": "_milliseconds"}[rule.unit]
    return rule.name.replace(".", "_") + unit + ("_total" if rule.kind == "counter" else "")


def test_the_document_names_every_metric_with_kind_unit_field_and_prometheus_name():
    told = [row for row in ROWS if len(row) == 5]
    assert told == [
        [rule.name, rule.kind, rule.unit, ".".join(rule.path), prometheus_name(rule)] for rule in DEFAULT.metrics
    ]


def test_the_document_names_every_bucket():
    told = {row[0]: tuple(float(bound) for bound in row[1].split(",")) for row in ROWS if len(row) == 2}
    assert told == {rule.name: rule.buckets for rule in DEFAULT.metrics if rule.kind == "histogram"}


@pytest.mark.parametrize("rule", DEFAULT.metrics, ids=lambda rule: rule.name)
def test_a_rule_is_whole(rule: MetricRule):
    assert rule.description
    assert list(rule.buckets) == sorted(set(rule.buckets))
    assert bool(rule.buckets) == (rule.kind == "histogram")
    others = {other.name for other in DEFAULT.metrics if other.kind == "counter"}
    assert rule.restarts_with in {None, *others}


def test_the_names_are_unique_and_one_attribute_names_the_job():
    names = [rule.name for rule in DEFAULT.metrics]
    assert len(set(names)) == len(names) == 9
    assert DEFAULT.identifies_job in [rule.name for rule in DEFAULT.attributes]

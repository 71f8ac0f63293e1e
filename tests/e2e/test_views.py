"""Every query of the Grafana dashboard finds series in the real Prometheus, and the rules are loaded and silent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from tests.e2e.stack import Stack, eventually

DASHBOARD = json.loads((Path(__file__).parents[2] / "compose" / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]
VARIABLES = {"$job": ".+", "$instance": ".+", "$__rate_interval": "1m"}
SELF_METRICS_SECONDS = 60
"""The bridge speaks of itself once in so long."""


@pytest.fixture(scope="module")
def spoken(stack: Stack) -> Stack:
    """The bridge has spoken of the field that it once left out."""
    stack.found('ml_bridge_file_fields_left_out_total{instance="bridge"}', within=2 * SELF_METRICS_SECONDS)
    return stack


def filled_in(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that nobody fills in: {expression}"
    return expression


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_of_the_dashboard_finds_series(spoken: Stack, expression: str):
    found = eventually(
        lambda: [one for one in spoken.prometheus().query(filled_in(expression)) if one.samples],
        within=30,
        what=f"finite values for {expression}",
    )
    assert found


def test_the_dashboards_variables_find_the_bridge(spoken: Stack):
    variables = {one["name"]: one["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"}
    assert variables.keys() == {"job", "instance"}
    for name, query in variables.items():
        match = re.fullmatch(r"label_values\((\w+), (\w+)\)", query["query"])
        assert match, query
        metric, label = match.groups()
        assert label == name
        assert {one.labels[label] for one in spoken.prometheus().query(metric)}


def test_prometheus_has_the_alerts_and_the_field_that_was_left_out_alone_raised_one(spoken: Stack):
    api = f"http://127.0.0.1:{spoken.port('prometheus', 9090)}/api/v1/rules"
    groups = requests.get(api, timeout=5).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert all(rule["health"] == "ok" for rule in rules), rules
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == {
        "BridgeSilent",
        "JobStale",
        "FieldsLeftOut",
        "QueueFilling",
        "RequestsDropped",
        "BridgeNearMemoryLimit",
    }
    fired = 'ALERTS{alertstate="firing", instance="bridge"}[1h]'
    found = spoken.found(fired, within=60)
    assert {one.labels["alertname"] for one in found} == {"FieldsLeftOut"}
    assert {one.labels["field"] for one in found} == {"training_metrics.accuracy"}

"""Every query of the Grafana dashboard finds series in the real Prometheus, and the rules are loaded and silent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from harness.waiting import wait_until
from tests.e2e.stack import FILE, Stack, eventually

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
SPOILED = """{"timestamp": "2026-01-01T00:00:00Z",
 "job_metadata": {"job_id": "training-job-123", "model_name": "resnet-50", "dataset": "imagenet"},
 "training_metrics": {"training_loss": 0.5, "accuracy": true}}"""


@pytest.fixture(scope="module")
def spoken(stack: Stack) -> Iterator[Stack]:
    """The bridge has spoken of itself after it left out a field."""
    stack.until_fresh("bridge", within=60)
    stack.freeze("job")
    try:
        stack.inside("job", "sh", "-c", f"cat > {FILE}", stdin=SPOILED)
        stack.found('ml_training_loss{instance="bridge"} == 0.5', within=20)
    finally:
        stack.thaw("job")
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


def test_prometheus_has_the_alerts_and_only_the_field_that_is_left_out_raises_one(spoken: Stack):
    api = f"http://127.0.0.1:{spoken.port('prometheus', 9090)}/api/v1/rules"

    def alerts() -> dict[str, str]:
        groups = requests.get(api, timeout=5).json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert all(rule["health"] != "err" for rule in rules), rules
        return {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}

    wait_until(lambda: alerts()["FieldsLeftOut"] == "firing", within=60, every=0.5, what="FieldsLeftOut fires")
    states = alerts()
    assert set(states) == {
        "BridgeSilent",
        "JobStale",
        "FieldsLeftOut",
        "QueueFilling",
        "RequestsDropped",
        "BridgeNearMemoryLimit",
    }
    assert {name for name, state in states.items() if state != "inactive"} == {"FieldsLeftOut"}

"""The alert rules, tested by promtool: each fires in the state that it is for, and in no other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
TESTS = sorted(file.name for file in COMPOSE.glob("alerts_*test.yml"))


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool") or str(ROOT / ".tools" / "bin" / "promtool")
    if not Path(found).exists():
        pytest.skip("promtool is not built: not on PATH and not in .tools/bin (nox -s tools)")
    return found


def run(promtool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=COMPOSE,
        timeout=110,
    )


@pytest.mark.parametrize("file", TESTS)
def test_each_alert_fires_when_it_should_and_only_then(promtool: str, file: str):
    done = run(promtool, "test", "rules", file)
    assert done.returncode == 0, done.stdout


def test_each_alert_is_tested_to_fire_and_to_be_silent():
    rules = yaml.safe_load((COMPOSE / "alerts.yml").read_text())["groups"][0]["rules"]
    cases = [
        case
        for file in TESTS
        for test in yaml.safe_load((COMPOSE / file).read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


@pytest.mark.parametrize(
    ("right", "wrong", "alert"),
    [
        pytest.param("ml_bridge_snapshot_age_seconds", "ml_bridge_snapshot_age", "JobStale", id="a name that is none"),
        pytest.param("[36h:1m]", "[24h:1m]", "RequestsDropped", id="an outage that is longer than the look back"),
    ],
)
def test_a_rule_that_is_wrong_is_found_by_its_test(promtool: str, tmp_path: Path, right: str, wrong: str, alert: str):
    for name in ("alerts.yml", *TESTS):
        shutil.copy(COMPOSE / name, tmp_path / name)
    text = (tmp_path / "alerts.yml").read_text()
    assert right in text
    (tmp_path / "alerts.yml").write_text(text.replace(right, wrong))
    done = run(promtool, "test", "rules", *(str(tmp_path / name) for name in TESTS))
    assert done.returncode != 0
    assert alert in done.stdout


@pytest.mark.parametrize("config", ["prometheus.yml", "prometheus-otlp.yml"])
def test_prometheus_takes_its_configuration(promtool: str, config: str):
    done = run(promtool, "check", "config", config)
    assert done.returncode == 0, done.stdout

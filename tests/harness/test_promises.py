from __future__ import annotations

import pytest

from harness import promises
from harness.promises import Budget, PromisesError

GOOD = """
promises:
  shutdown:
    says: It stops in time.
    budgets:
      exit-clean: {documented: 15, unit: s, target: 1, source: Said so.}
"""


def test_the_documented_limits_are_those_that_the_project_states():
    stated = {
        ("cpu-steady", "cpu-percent"): (5, "% of one core", 0.4),
        ("memory-steady", "rss-p95"): (50, "MiB", 28),
        ("memory-peak", "rss-peak"): (100, "MB", 35.65),
        ("latency", "arrival-latency"): (30, "s", 0.25),
        ("network", "network-rate"): (1, "Mbit/s", 0.04),
        ("survives-bad-input", "alive"): (0, "exits", 0),
        ("collector-outage", "every-write-delivered"): (0, "lost writes", 0),
        ("collector-outage", "first-arrival-after-recovery"): (10, "s", 2),
        ("shutdown", "exit-clean"): (15, "s", 1),
    }
    ours = promises.load()
    for (promise, check), figures in stated.items():
        budget = ours.budget(promise, check)
        assert budget is not None
        assert (budget.documented, budget.unit, budget.target) == figures


def test_the_scenarios_times_are_added_to_target_and_limit_where_the_budget_says_so():
    budget = promises.load().budget("latency", "age-of-information")
    assert budget is not None
    assert budget.goal(interval_seconds=10, write_period_seconds=2) == 12.25
    assert budget.limit(interval_seconds=10, write_period_seconds=2) == 32


def test_a_budget_without_added_times_is_the_same_in_every_scenario():
    budget = Budget(documented=15, unit="s", target=1, source="Said so.")
    assert budget.goal(interval_seconds=10, write_period_seconds=2) == 1
    assert budget.limit(interval_seconds=10, write_period_seconds=2) == 15


def test_a_check_without_a_budget_under_a_promise_has_none():
    assert promises.load().budget("network", "exit-clean") is None


def test_an_unknown_promise_is_an_error():
    with pytest.raises(KeyError):
        promises.load().budget("nonsense", "exit-clean")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("target: 1", "target: 1, wish: 2", 6, "wish"),
        ("target: 1", "target: 16", 6, "looser"),
        ("target: 1", "target: -1", 6, "greater than or equal to 0"),
        ("documented: 15", "documented: '15'", 6, "valid number"),
        ("unit: s", "unit: MB, plus: [interval]", 6, "unit is MB"),
        ("unit: s", "unit: parsec", 6, "% of one core"),
        ("target: 1", "target: 1, plus: [interval, interval]", 6, "twice"),
        ("target: 1", "target: 1, plus: [lunch]", 6, "write-period"),
        ("  shutdown:", "  Shut down:", 3, "pattern"),
        ("says: It stops in time.", "says: 3", 4, "valid string"),
        ("      exit-clean:", "      exit-clean: 1\n      exit-clean:", 7, "second time"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(old: str, new: str, line: int, reason: str):
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(PromisesError, match=rf"^p\.yaml:{line}: .*{reason}"):
        promises.parse(text, name="p.yaml")


def test_all_problems_are_named_together():
    text = GOOD.replace("unit: s", "unit: parsec").replace("It stops", "it stops")
    with pytest.raises(PromisesError) as caught:
        promises.parse(text, name="p.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_a_good_file_is_read():
    assert promises.parse(GOOD, name="p.yaml").promises["shutdown"].says == "It stops in time."


def test_the_latency_that_is_aimed_at_grows_with_the_interval_alone():
    budget = promises.load().budget("latency", "arrival-latency")
    assert budget is not None
    assert budget.goal(interval_seconds=10, write_period_seconds=2) == 10.25
    assert budget.limit(interval_seconds=10, write_period_seconds=2) == 30

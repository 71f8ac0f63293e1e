"""What Prometheus holds, judged on answers made by hand: a good one, and one for each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks import CHECKS, CheckResult, Verdict
from harness.checks.back_end import BATCHES, DOCUMENTED, EPOCHS, GAUGES, HISTOGRAMS, LOSS
from harness.checks.back_end_buckets import UPPER_BOUNDS, histogram_of
from harness.promises import load as load_promises
from harness.record import BackEndSeries, RunRecord
from harness.scenario import CheckSpec
from tests.harness.back_end_histories import WRITES, answer, asked, bucket, held_at

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def judged(check: str, of: RunRecord) -> CheckResult:
    budget = load_promises().budget("collector-outage", check)
    return CHECKS[check].judge(of, CheckSpec(check=check, promise="collector-outage"), budget)


def bound_of(name: str) -> float:
    return float(name.split("le=")[1])


def field_of(name: str) -> str:
    return HISTOGRAMS[name.split("_bucket", maxsplit=1)[0]]


def without(index: int) -> Callable[[int], dict[str, float]]:
    """Nothing was held while this write was the newest."""
    return lambda at: {} if at == index else held_at(at)


def changed(name: str, value: float, at: int = 4) -> Callable[[int], dict[str, float]]:
    return lambda index: {**held_at(index), **({name: value} if index == at else {})}


@pytest.mark.parametrize("check", ["back-end-values", "counter-increase", "backlog-in-back-end"])
def test_a_back_end_that_holds_the_ledger_passes(check: str):
    found = judged(check, asked())
    assert found.verdict is Verdict.PASS, found.reason


@pytest.mark.parametrize("check", ["back-end-values", "counter-increase", "backlog-in-back-end"])
def test_an_empty_back_end_never_passes(check: str):
    of = replace(asked(), back_end=())
    assert judged(check, of).verdict is not Verdict.PASS


@pytest.mark.parametrize("way", ["scrape", "otlp"])
@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_documented_name_must_be_there_by_each_way(name: str, way: str):
    held = [one for one in asked().back_end if (one.name, one.way) != (name, way)]
    found = judged("back-end-values", asked(*held))
    assert found.verdict is Verdict.FAIL
    assert name in found.reason or "never written" in found.reason


def test_a_name_that_is_documented_nowhere_is_found():
    odd = BackEndSeries("raw", {"__name__": "ml_training_loss_ratio", "way": "scrape"}, ((1.0, 0.5),))
    found = judged("back-end-values", asked(*asked().back_end, odd))
    assert found.verdict is Verdict.FAIL
    assert "ml_training_loss_ratio" in found.reason


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (LOSS, 0.123, "never written"),
        ("ml_training_accuracy", 0.51, "ml_training_accuracy is 0.51"),
        (BATCHES, 4.0, BATCHES),
        (EPOCHS, 9.0, EPOCHS),
        ("ml_training_processing_time_milliseconds_sum", 7.0, "_sum grew"),
        ("ml_training_samples_per_second_count", 6.0, "its count is 6.0"),
    ],
)
def test_a_value_that_is_not_the_ledgers_is_found(name: str, value: float, said: str):
    held = (*answer("scrape", 1.2), *answer("otlp", 0.5, changed(name, value)))
    found = judged("back-end-values", asked(*held))
    assert found.verdict is Verdict.FAIL
    assert said in found.reason
    assert "otlp" in found.reason


TIMES, SPEEDS = UPPER_BOUNDS
EARLY, LATE = bucket(TIMES, 250), bucket(TIMES, float("inf"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({EARLY: 0.0}, "bucket up to 250 took -1 values, where the job wrote 4"),
        ({bucket(SPEEDS, 0.1): 9.0}, "has 5 values up to 1, and 9 up to 0.1"),
        ({LATE: 6.0}, "has 6 values in its buckets, and its count is 5"),
        ({bucket(TIMES, bound): 0.0 for bound in (250, 500, 1000)}, "bucket up to 250 took -1 values"),
    ],
)
def test_buckets_that_are_not_the_ledgers_are_found(wrong: dict[str, float], said: str):
    held = answer("otlp", 0.5, lambda index: held_at(index) | (wrong if index == 4 else {}))
    found = judged("back-end-values", asked(*answer("scrape", 1.2), *held))
    assert found.verdict is Verdict.FAIL
    assert said in found.reason


def test_values_that_all_lie_in_the_first_bucket_are_found():
    def first(index: int) -> dict[str, float]:
        return {name: float(index + 1) if "le=" in name else value for name, value in held_at(index).items()}

    found = judged("back-end-values", asked(*answer("scrape", 1.2, first), *answer("otlp", 0.5)))
    assert found.verdict is Verdict.FAIL
    assert "bucket up to 1 took 1 values, where the job wrote 0" in found.reason


@pytest.mark.parametrize("way", ["scrape", "otlp"])
def test_a_bucket_that_is_not_there_is_missed(way: str):
    held = [one for one in asked().back_end if (one.way, one.labels.get("le")) != (way, "2500")]
    found = judged("back-end-values", asked(*held))
    assert found.verdict is Verdict.FAIL
    assert f"by {way} {TIMES} has the buckets 1, 2.5, 5," in found.reason


def test_bounds_are_the_same_however_they_are_written():
    held = [
        replace(one, labels={**one.labels, "le": "1e3"}) if one.labels.get("le") == "1000" else one
        for one in asked().back_end
    ]
    assert judged("back-end-values", asked(*held)).verdict is Verdict.PASS


def test_a_bound_that_is_no_number_is_no_documented_one():
    held = [
        replace(one, labels={**one.labels, "le": "a lot"}) if one.labels.get("le") == "1000" else one
        for one in asked().back_end
    ]
    found = judged("back-end-values", asked(*held))
    assert found.verdict is Verdict.FAIL
    assert "nan" in found.reason


@pytest.mark.parametrize(
    ("name", "labels", "whose"),
    [
        (f"{TIMES}_bucket", {"le": "1"}, TIMES),
        (f"{TIMES}_bucket", {}, None),
        (f"{TIMES}_count", {}, None),
        ("ml_training_loss", {"le": "1"}, None),
    ],
)
def test_a_series_is_a_bucket_by_its_name_and_its_bound_together(name: str, labels: dict[str, str], whose: str | None):
    assert histogram_of(BackEndSeries("raw", {"__name__": name, "way": "otlp", **labels}, ((1.0, 1.0),))) == whose


def test_an_older_record_without_buckets_is_not_decided():
    held = [one for one in asked().back_end if "le" not in one.labels]
    assert judged("back-end-values", asked(*held)).verdict is Verdict.INCONCLUSIVE


def test_totals_of_writes_that_come_too_fast_to_be_read_are_not_held_against_the_ledger():
    of = asked(*answer("scrape", 1.2), *answer("otlp", 0.5, changed(BATCHES, 4.0)))
    fast = {**of.scenario, "job": {**of.scenario["job"], "write_period": 0.5}}
    assert judged("back-end-values", replace(of, scenario=fast)).verdict is Verdict.PASS


def test_a_write_that_stood_for_a_moment_only_may_be_counted_or_not():
    short = [replace(one, t=one.t - 0.05 if one.sequence == 9 else one.t) for one in WRITES]
    short[7] = replace(WRITES[7], t=short[8].t - 0.05)  # the schedule's last write, and the ordered one right after it

    def unread(index: int) -> dict[str, float]:
        held = held_at(index)
        missed = {name: held[f"{name}_sum"] - WRITES[7].values[field] for name, field in HISTOGRAMS.items()}
        if index == 7:
            return {}
        return (
            held
            | {f"{name}_sum": value for name, value in missed.items()}
            | ({f"{name}_count": 8.0 for name in HISTOGRAMS})
            | {
                name: value - (WRITES[7].values[field_of(name)] <= bound_of(name))
                for name, value in held.items()
                if "le=" in name
            }
            if index == 8
            else held
        )

    of = asked(*answer("scrape", 1.2), *answer("otlp", 0.5, unread))
    of = replace(of, ledger=replace(of.ledger, writes=tuple(short)))
    assert judged("back-end-values", of).verdict is Verdict.PASS, judged("back-end-values", of).reason
    assert judged("counter-increase", of).verdict is Verdict.PASS


def test_a_last_value_that_never_came_is_found():
    held = (*answer("scrape", 1.2, without(len(WRITES) - 1)), *answer("otlp", 0.5))
    found = judged("back-end-values", asked(*held))
    assert found.verdict is Verdict.FAIL
    assert "the last value is write 8, of 9" in found.reason


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_an_increase_that_an_outage_made_wrong_is_found(factor: float):
    def off(one: BackEndSeries) -> BackEndSeries:
        t, value = one.samples[-1]
        return replace(one, samples=((t, factor * value),)) if (one.query, one.name) == ("increase", BATCHES) else one

    found = judged("counter-increase", asked(*map(off, asked().back_end)))
    assert found.verdict is Verdict.FAIL
    assert found.measured == 2  # by scrape, and by OTLP
    assert "the ledger counted 8" in found.reason


def test_an_increase_without_a_figure_is_found():
    held = [one if one.query == "raw" else replace(one, samples=()) for one in asked().back_end]
    assert judged("counter-increase", asked(*held)).verdict is Verdict.FAIL


def test_a_write_that_only_the_scrape_missed_is_no_hole_in_the_backlog():
    held = (*answer("scrape", 1.2, without(4)), *answer("otlp", 0.5))
    assert judged("backlog-in-back-end", asked(*held)).verdict is Verdict.PASS


def test_a_write_of_the_outage_that_is_not_there_is_lost():
    found = judged("backlog-in-back-end", asked(*answer("scrape", 1.2), *answer("otlp", 0.5, without(4))))
    assert found.verdict is Verdict.FAIL
    assert "write 5" in found.reason
    assert "is not there" in found.reason


def test_a_write_that_stands_at_the_time_of_its_replay_is_in_the_wrong_place():
    found = judged("backlog-in-back-end", asked(*answer("scrape", 1.2), *answer("otlp", 6.0)))
    assert found.verdict is Verdict.FAIL
    assert "which stands at 6.5 s" in found.reason


def test_the_documented_names_are_those_of_the_document():
    rows = [
        line.split("|")[5].strip(" `")
        for line in DOCUMENT.splitlines()
        if line.startswith("| `ml.") and line.count("|") == 6
    ]
    of_job = [name for name in rows if name.startswith("ml_")]
    assert set(of_job) == {*GAUGES, BATCHES, EPOCHS, *HISTOGRAMS}

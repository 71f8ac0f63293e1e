"""From a record to the verdict of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import verdict
from harness.checks import Verdict
from harness.record import Event, Ledger, RunRecord
from harness.verdict import judge
from tests.harness.histories import WRITES, exports, fault, good, outage, process, scenario

CHECKS = [
    {"check": "alive", "promise": "survives-bad-input"},
    {"check": "register-model", "promise": "latency"},
    {"check": "exit-clean", "promise": "shutdown"},
]


def with_checks(record: RunRecord, *checks: dict[str, object], **changes: object) -> RunRecord:
    recorded = {**record.scenario, "checks": list(checks or CHECKS)}
    return replace(record, scenario=recorded, **changes)


def test_a_good_run_passes():
    judgement = judge(with_checks(good()))

    assert judgement.verdict is Verdict.PASS
    assert judgement.reason == "All 3 checks kept."
    assert [result.check for result in judgement.checks] == ["alive", "register-model", "exit-clean"]


def test_a_broken_promise_is_named_with_its_moment_and_its_evidence():
    events = (process(1.0, "ready"), process(7.5, "exited", exit_code=1))

    judgement = judge(with_checks(good(events=events)))

    assert judgement.verdict is Verdict.FAIL
    assert "survives-bad-input broke: the bridge ended by itself at 7.5 s with exit code 1" in judgement.reason


def test_a_run_that_was_not_carried_out_is_a_harness_error_with_its_reason():
    record = with_checks(good())

    failed = judge(replace(record, meta=replace(record.meta, error="the port was taken")))

    assert (failed.verdict, failed.reason) == (Verdict.HARNESS_ERROR, "the port was taken")


def test_a_record_that_breaks_off_is_a_harness_error_even_where_a_check_fails():
    record = with_checks(good(events=(process(1.0, "ready"), process(7.5, "exited", exit_code=1))))

    assert judge(replace(record, meta=replace(record.meta, complete=False))).verdict is Verdict.HARNESS_ERROR


def test_an_interrupted_run_is_inconclusive():
    """Its stop is not the one that the checks expect: a FAIL would prove nothing."""
    record = with_checks(good(exports=exports()[:5]))

    assert judge(record).verdict is Verdict.FAIL
    assert judge(replace(record, meta=replace(record.meta, interrupted=True))).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("changed", [{"interrupted": True}, {"complete": False}])
def test_what_the_harness_ended_itself_is_not_held_against_the_bridge(changed: dict[str, bool]):
    record = with_checks(good(exports=exports()[:5], events=(process(1.0, "ready"), process(7.5, "exited"))))

    judgement = judge(replace(record, meta=replace(record.meta, **changed)))

    assert {result.verdict for result in judgement.checks} == {Verdict.INCONCLUSIVE}
    assert len(judgement.checks) == len(CHECKS)


@pytest.mark.parametrize("key", ["job", "bridge", "stop", "timeline"])
def test_a_recorded_scenario_that_lost_a_key_is_a_harness_error(key: str):
    recorded = {name: value for name, value in good().scenario.items() if name != key}

    judgement = judge(good(scenario=recorded))

    assert judgement.verdict is Verdict.HARNESS_ERROR
    assert key in judgement.reason


@pytest.mark.parametrize("at_most", [31, 1e9, float("inf"), float("nan")])
def test_a_recorded_limit_that_is_looser_than_the_documented_one_is_a_harness_error(at_most: float):
    check = {"check": "arrival-latency", "promise": "latency"}

    assert "documented limit" not in judge(with_checks(good(), {**check, "at_most": 30})).reason
    judgement = judge(with_checks(good(), {**check, "at_most": at_most}))

    assert judgement.verdict is Verdict.HARNESS_ERROR
    assert "scenario.json was changed after the run: arrival-latency: at_most" in judgement.reason


def test_a_fault_that_was_gone_within_one_interval_proves_nothing():
    record = with_checks(outage())
    brief = tuple(replace(e, t=6.5) if e.data["action"] == "heal" else e for e in record.events)

    judgement = judge(replace(record, events=brief))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "held for 0.5 s only, less than the bridge's interval of 1 s" in judgement.reason


def test_a_scenario_of_another_version_of_the_format_is_a_harness_error():
    assert judge(good(scenario={"name": "x", "future": 1})).verdict is Verdict.HARNESS_ERROR


def test_a_good_run_with_a_fault_passes():
    assert judge(with_checks(outage())).verdict is Verdict.PASS


@pytest.mark.parametrize("action", ["inject", "verify", "heal"])
def test_a_fault_that_was_not_carried_out_makes_the_run_inconclusive(action: str):
    record = with_checks(outage())
    refused = tuple(
        replace(event, data={**event.data, "ok": False}) if event.data["action"] == action else event
        for event in record.events
    )
    absent = tuple(event for event in record.events if event.data["action"] != action)

    first, second = judge(replace(record, events=refused)), judge(replace(record, events=absent))

    assert first.verdict is second.verdict is Verdict.INCONCLUSIVE
    assert "was not" in first.reason
    assert "never" in second.reason


def test_one_failed_verify_of_two_is_enough():
    record = with_checks(outage())
    events = tuple(replace(e, data={**e.data, "ok": False}) if e.t == 11.9 else e for e in record.events)

    judgement = judge(replace(record, events=events))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "At 11.9 s the fault of outage was not seen to hold: it was seen." in judgement.reason


def test_a_fault_of_which_nothing_happened_is_said_once():
    record = with_checks(outage())
    judgement = judge(replace(record, events=tuple(event for event in record.events if event.kind != "fault")))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert [doubt for doubt in judgement.doubts if "The fault of" in doubt] == [
        "The fault of outage was never put in place."
    ]


def test_the_fault_of_another_step_is_no_proof():
    record = with_checks(outage())
    events = tuple(replace(e, data={**e.data, "step": "x"}) if "step" in e.data else e for e in record.events)

    assert judge(replace(record, events=events)).verdict is Verdict.INCONCLUSIVE


def test_a_fault_at_the_stop_must_have_held_too():
    recorded = scenario(stop={"under": {"fault": "collector-refused"}}).model_dump(mode="json", by_alias=True)
    record = with_checks(good(scenario=recorded))
    held = tuple(fault(t, action, step="drain") for t, action in ((17.9, "inject"), (17.95, "verify"), (18.5, "heal")))

    assert judge(record).verdict is Verdict.INCONCLUSIVE
    assert judge(replace(record, events=(*record.events, *held))).verdict is Verdict.PASS


def test_a_broken_promise_beats_a_doubt_and_the_doubt_is_said_too():
    record = with_checks(outage())
    unverified = tuple(e for e in record.events if e.data["action"] != "verify")

    judgement = judge(replace(record, events=unverified, exports=exports()[:3]))

    assert judgement.verdict is Verdict.FAIL
    assert "never seen to hold" in judgement.reason


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        (Ledger(), "ledger is missing"),
        (Ledger(WRITES, 2.0, (), None), "breaks off"),
        (Ledger(WRITES, 2.0, (), 17.0, missed=1), "90 % of the 10 writes"),
    ],
)
def test_a_run_without_the_load_that_is_meant_is_inconclusive(ledger: Ledger, said: str):
    judgement = judge(with_checks(good(ledger=ledger), CHECKS[0]))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert said in judgement.reason


def test_an_offered_rate_of_95_percent_is_enough():
    many = tuple(replace(WRITES[0], sequence=number) for number in range(1, 20))

    assert judge(with_checks(good(ledger=Ledger(many, 2.0, (), 17.0, missed=1)), CHECKS[0])).verdict is Verdict.PASS


def test_too_few_samples_of_one_check_make_the_run_inconclusive():
    judgement = judge(with_checks(good(resources=()), *CHECKS, {"check": "rss-peak", "promise": "memory-peak"}))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "alive: " in judgement.reason
    assert "And 1 more." in judgement.reason


def test_a_check_that_this_version_does_not_know_is_inconclusive():
    judgement = judge(with_checks(good(), *CHECKS, {"check": "future", "promise": "latency"}))

    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_the_saved_verdict_holds_every_figure(tmp_path: Path):
    verdict.save(judge(with_checks(good())), tmp_path)

    saved = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert (saved["schema_version"], saved["verdict"], saved["scenario"]) == (1, "PASS", "by-hand")
    assert saved["checks"][2] == {
        "check": "exit-clean",
        "promise": "shutdown",
        "verdict": "PASS",
        "measured": pytest.approx(0.2),
        "unit": "s",
        "limit": 15.0,
        "target": 1.0,
        "samples": 1,
        "samples_min": 1,
        "reason": "exit code 0, 0.20 s after the signal at 18.0 s; the limit is 15 s.",
        "at_seconds": 18.2,
    }


def clock(t: float, offset: float, error: float, wall: float = 0.0) -> Event:
    return Event(
        t, "clock", {"of": "job", "offset_seconds": offset, "error_seconds": error, "wall_offset_seconds": wall}
    )


@pytest.mark.parametrize(
    ("clocks", "doubt"),
    [
        ([clock(0.0, 0.0, 0.06)], "known to 0.060 s only, not to 0.05"),
        ([clock(0.0, 100.0, 0.01), clock(30.0, 100.3, 0.01)], "drifted from ours in the run by 0.280 s at least"),
        ([clock(0.0, 0.0, 0.01, wall=-2.0)], "wall clock of the job's machine differs from ours by 1.990 s or more"),
    ],
)
def test_moments_of_a_clock_that_is_not_known_well_enough_decide_nothing(clocks: list[Event], doubt: str):
    record = with_checks(good())
    judgement = judge(replace(record, events=(*record.events, *clocks)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert doubt in judgement.reason


def test_moments_of_a_clock_that_is_known_well_enough_are_judged():
    record = with_checks(good())
    clocks = (clock(0.0, 7000.0, 0.004), clock(30.0, 7000.005, 0.004))
    assert judge(replace(record, events=(*record.events, *clocks))).verdict is Verdict.PASS


def test_where_no_seconds_are_judged_a_poor_clock_matters_nothing():
    record = with_checks(good(), {"check": "alive", "promise": "survives-bad-input"})
    assert judge(replace(record, events=(*record.events, clock(0.0, 0.0, 9.0)))).verdict is Verdict.PASS


def test_the_order_of_a_cluster_is_the_order_to_end_also_before_the_drain():
    told = process(8.9, "signalled", signal="SIGTERM", elsewhere=True)
    ended = process(9.1, "exited", exit_code=0)
    record = with_checks(good())
    kept = [event for event in record.events if event.data.get("action") not in {"signalled", "exited"}]
    judgement = judge(replace(record, events=(*kept, told, ended)))
    exit_clean = next(result for result in judgement.checks if result.check == "exit-clean")
    assert exit_clean.measured == pytest.approx(0.2)

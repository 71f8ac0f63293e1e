"""Checks of how the bridge treats a collector in trouble, of what a full queue may lose, and of planned kills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import promises, verdict
from harness.checks import CHECKS, CheckResult, Verdict
from harness.record import Event, Phase, RunRecord
from harness.samples import WireSample
from tests.harness.histories import (
    export,
    exports,
    fault,
    good,
    newest,
    outage,
    overflow,
    patient,
    process,
    samples,
    scenario,
    spec,
)


def judged(check: str, record: RunRecord, promise: str = "collector-outage", **more: object) -> CheckResult:
    budget = promises.load().budget(promise, check)
    assert budget is not None
    return CHECKS[check].judge(record, spec(check, promise, **more), budget)


def killed_and_restarted(*, planned: bool = True) -> RunRecord:
    """The bridge is killed at 6 s and runs again from 8 s on, with another pid."""
    record = good()
    plan = {"planned": True} if planned else {}
    return replace(
        record,
        events=(
            *record.events[:2],
            fault(6.0, "inject", step="kill", name="bridge-killed"),
            process(6.0, "killed", pid=10, signal="SIGKILL", **plan),
            process(6.01, "exited", pid=10, exit_code=-9),
            fault(8.0, "heal", step="kill", name="bridge-killed"),
            process(8.0, "started", pid=11),
            process(18.0, "signalled", pid=11, signal="SIGTERM"),
            process(18.2, "exited", pid=11, exit_code=0),
        ),
        exports=tuple(one for one in record.exports if not 6 < one.t < 9),
    )


def test_a_call_a_second_is_no_hammering_and_four_are():
    often = tuple(export(t / 4, [newest(t / 4)], ticks=[t]) for t in range(4, 72))
    assert judged("call-rate", good()).verdict is Verdict.PASS
    result = judged("call-rate", good(exports=often))
    assert result.verdict is Verdict.FAIL
    assert result.measured == pytest.approx(4.0)


def test_calls_count_together_within_five_seconds_and_no_longer():
    def rate(*times: float) -> float | None:
        return judged("call-rate", good(exports=tuple(export(t, [newest(t)]) for t in times))).measured

    assert rate(6.0, 11.5) == pytest.approx(0.2)
    assert rate(6.0, 10.5) == pytest.approx(0.4)


def test_a_short_burst_after_a_failure_is_no_hammering():
    burst = [export(10.02 + number / 100, [], answered="UNAVAILABLE") for number in range(4)]
    quiet = [one for one in exports() if not 10 < one.t < 14]
    record = good(exports=tuple(sorted((*quiet, *burst), key=lambda one: one.t)))
    assert judged("call-rate", record).verdict is Verdict.PASS


@pytest.mark.parametrize(("a_second", "verdict"), [(1, Verdict.PASS), (4, Verdict.FAIL)])
def test_connections_count_within_five_seconds_of_the_named_phases(a_second: int, verdict: Verdict):
    """They are opened from 7 s on, in the outage of 6 s to 12 s; before and after it there are more."""
    wire = tuple(WireSample(t / 4, 0, 0, round(a_second * min(5.0, max(0.0, t / 4 - 7)))) for t in range(24, 49))
    around = (WireSample(5.9, 0, 0, 0), *(WireSample(t, 0, 0, 100) for t in (12.1, 13.0)))
    result = judged(
        "connect-rate",
        replace(outage(), wire=tuple(sorted((*wire, *around), key=lambda one: one.t))),
        during=["outage"],
    )
    assert (result.verdict, result.measured) == (verdict, pytest.approx(a_second)), result.reason


def test_without_figures_nothing_is_known_of_connections():
    assert judged("connect-rate", replace(outage(), wire=()), during=["outage"]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("name", "verdict"), [("bridge-disk-full", Verdict.FAIL), ("file-missing", Verdict.PASS)])
def test_a_full_disk_of_the_bridge_keeps_nobody_from_the_metrics_file(name: str, verdict: Verdict):
    record = outage()
    inner = (fault(6.5, "inject", name=name), fault(11.5, "heal", name=name))
    kept = tuple(one for one in record.exports if one.t != 12.5)  # the backlog is lost
    events = tuple(sorted((*record.events, *inner), key=lambda event: event.t))
    result = judged("every-write-delivered", replace(record, events=events, exports=kept), during=["outage"])
    assert (result.verdict is Verdict.FAIL) == (verdict is Verdict.FAIL), result.reason


def test_calls_outside_the_named_phases_are_not_counted():
    often = tuple(export(12 + t / 10, [newest(12 + t / 10)], ticks=[t]) for t in range(1, 50))
    record = replace(outage(), exports=(*[one for one in outage().exports if one.t < 12], *often))
    assert judged("call-rate", record, during=["outage-recovery"]).verdict is Verdict.FAIL
    assert judged("call-rate", record, during=["outage"]).verdict is not Verdict.FAIL


@pytest.mark.parametrize(("seconds", "verdict"), [(2.99, Verdict.PASS), (1.0, Verdict.FAIL)])
def test_a_call_before_the_time_that_was_asked_for_is_early(seconds: float, verdict: Verdict):
    assert judged("patience-kept", patient(seconds)).verdict is verdict


def test_a_bridge_that_is_told_to_end_need_not_wait():
    record = patient(1.0)
    record = replace(record, events=(*record.events[:2], process(8.5, "signalled", pid=10), record.events[3]))
    record = replace(record, phases=(*record.phases[:1], replace(record.phases[2], start=8.4)))
    assert judged("patience-kept", record).verdict is Verdict.INCONCLUSIVE


def test_an_update_that_was_acknowledged_and_comes_again_is_a_repeat():
    again = replace(exports()[4], t=exports()[4].t + 0.5)
    record = good(exports=tuple(sorted((*exports(), again), key=lambda one: one.t)))
    assert judged("sent-once", record).verdict is Verdict.FAIL


def test_an_update_that_was_refused_before_it_was_taken_is_no_repeat():
    refused = replace(exports()[4], t=exports()[4].t - 0.01, answered="UNAVAILABLE")
    record = good(exports=tuple(sorted((*exports(), refused), key=lambda one: one.t)))
    assert judged("sent-once", record).verdict is Verdict.PASS


def test_a_full_queue_that_lost_the_newest_is_found_out():
    result = judged("oldest-make-room", overflow(lost=(5, 6, 12)))
    assert result.verdict is Verdict.FAIL
    assert "write 12" in result.reason


def test_a_queue_that_kept_too_little_is_found_out():
    record = overflow(lost=range(5, 15))
    assert judged("oldest-make-room", record, keeps_at_least=1).verdict is Verdict.PASS
    assert judged("oldest-make-room", record, keeps_at_least=4).verdict is Verdict.FAIL


def test_where_an_outage_lost_everything_no_older_write_was_kept_in_its_place():
    record = overflow(lost=range(4, 17))
    result = judged("oldest-make-room", record)
    assert (result.verdict, result.samples) == (Verdict.PASS, 12)
    result = judged("oldest-make-room", record, keeps_at_least=2)
    assert (result.verdict, result.measured) == (Verdict.FAIL, 2)
    assert "0 writes were kept, not 2" in result.reason


def test_an_outage_that_the_queue_was_long_enough_for_shows_nothing_of_overflow():
    assert judged("oldest-make-room", overflow(lost=())).verdict is Verdict.INCONCLUSIVE


def test_a_kill_that_the_scenario_wanted_is_no_end_of_the_bridges_own():
    record = killed_and_restarted()
    assert judged("alive", record, "survives-bad-input").verdict is Verdict.PASS
    assert judged("exit-clean", record, "shutdown").verdict is Verdict.PASS


def test_a_kill_that_nobody_planned_is_an_end():
    assert judged("alive", killed_and_restarted(planned=False), "survives-bad-input").verdict is Verdict.FAIL


def test_a_second_life_that_ends_by_itself_is_an_end():
    record = killed_and_restarted()
    events = (*record.events[:-2], process(12.0, "exited", pid=11, exit_code=1))
    record = replace(record, events=(*events, process(18.0, "signalled", pid=11)))
    assert judged("alive", record, "survives-bad-input").verdict is Verdict.FAIL
    assert judged("exit-clean", record, "shutdown").verdict is Verdict.FAIL


def test_writes_that_nobody_read_because_the_bridge_was_gone_are_not_missed():
    assert judged("every-write-delivered", killed_and_restarted()).verdict is Verdict.PASS


@pytest.mark.parametrize(("away", "verdict"), [(False, Verdict.PASS), (True, Verdict.FAIL)])
def test_what_a_restarted_bridge_reads_in_an_outage_is_due_before_its_first_delivery(away: bool, verdict: Verdict):
    """It is there again at 8 s and its first start took 0.9 s, so from 12.5 s on it reads; it delivers from 17 s on."""
    record = killed_and_restarted()
    outage_around = (fault(5.0, "inject"), fault(15.5, "heal")) if away else ()
    record = replace(
        record,
        events=tuple(sorted((*record.events, *outage_around), key=lambda event: event.t)),
        exports=tuple(one for one in record.exports if not 6 < one.t < 17),
    )
    result = judged("every-write-delivered", record)
    assert result.verdict is verdict, result.reason


def test_a_write_from_before_the_kill_is_missed():
    record = killed_and_restarted()
    record = replace(record, exports=tuple(one for one in record.exports if not 4 < one.t < 9))
    assert judged("every-write-delivered", record).verdict is Verdict.FAIL


def test_only_the_writes_of_the_named_phases_are_missed():
    record = replace(outage(), exports=tuple(one for one in outage().exports if one.t != 12.5))
    assert judged("every-write-delivered", record).verdict is Verdict.FAIL
    assert judged("every-write-delivered", record, during=["outage-recovery"]).verdict is not Verdict.FAIL


def test_cpu_time_is_counted_anew_in_each_life():
    first = [one for one in samples(cpu_percent=0.3) if one.t < 6]
    second = [replace(one, cpu_seconds=30 + one.cpu_seconds) for one in samples(cpu_percent=0.3) if one.t > 8]
    record = replace(killed_and_restarted(), resources=(*first, *second))
    result = judged("cpu-percent", record, "cpu-steady")
    assert result.measured is None or result.measured < 1


def test_a_heal_while_another_fault_holds_is_no_recovery():
    record = outage()
    inner = (
        fault(8.0, "inject", name="bridge-stopped"),
        fault(9.0, "heal", name="bridge-stopped"),
    )
    record = replace(record, events=tuple(sorted((*record.events, *inner), key=lambda event: event.t)))
    result = judged("first-arrival-after-recovery", record)
    assert result.samples == 1
    assert result.measured == pytest.approx(0.5)


@pytest.mark.parametrize(("under", "target"), [(None, 1), ("collector-refused", 10), ("job-paused", 1)])
def test_the_aim_for_the_end_is_another_one_while_the_collector_is_away(under: str | None, target: float):
    stop = {} if under is None else {"stop": {"under": {"fault": under}}}
    record = good(scenario=scenario(**stop).model_dump(mode="json", by_alias=True))
    result = judged("exit-clean", record, "shutdown")
    assert result.target == target
    assert result.limit == 15


def ended_at(moment: str, *, ok: bool = True, met: float = 16.4, signalled: float = 16.41) -> RunRecord:
    """A run whose end was to come at a certain moment; the last write was whole at 16.5 s."""
    record = good(scenario=scenario(stop={"at": moment}).model_dump(mode="json", by_alias=True))
    seen = Event(met, "moment", {"at": moment, "ok": ok, "evidence": "it was seen"})
    told = process(signalled, "signalled", pid=10, signal="SIGTERM")
    return replace(record, events=(*record.events[:2], seen, told, record.events[-1]))


def test_an_end_at_the_moment_that_is_meant_leaves_no_doubt():
    assert verdict.judge(ended_at("mid-write")).doubts == ()
    assert verdict.judge(ended_at("starting")).doubts == ()


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (ended_at("mid-write", ok=False), "did not meet"),
        (ended_at("mid-write", met=16.6, signalled=16.61), "whole before"),
        (ended_at("mid-write", met=16.49, signalled=16.51), "whole before"),
        (good(scenario=scenario(stop={"at": "starting"}).model_dump(mode="json", by_alias=True)), "never told"),
    ],
)
def test_an_end_at_another_moment_says_nothing(record: RunRecord, word: str):
    (doubt,) = verdict.judge(record).doubts
    assert word in doubt


@pytest.mark.parametrize(("until", "missed"), [(15.0, False), (16.2, True)])
def test_a_write_is_missed_only_where_there_was_time_to_read_it_in_the_named_phase(until: float, missed: bool):
    exports = tuple(one for one in good().exports if one.t < 14)  # write 8, of 14.5 s, and those after it never arrive
    phases = (*good().phases[:1], Phase("before", "steady", 2.0, until), Phase("drain", "drain", until, 19.0))
    result = judged("every-write-delivered", good(exports=exports, phases=phases), during=["before"])
    assert (result.verdict is Verdict.FAIL) == missed, result

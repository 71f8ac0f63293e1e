"""Each check on histories made by hand: good ones, bad ones, empty ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict, figures
from harness.checks.arrivals import LOSS, updates
from harness.record import Ledger, Phase, RunRecord, Write
from harness.samples import WireSample
from tests.harness.back_end_histories import asked
from tests.harness.histories import (
    WRITES,
    export,
    exports,
    fault,
    good,
    logged,
    long,
    newest,
    outage,
    overflow,
    patient,
    process,
    samples,
    spec,
    write,
)
from tests.harness.histories_of_jobs import complete, stale, two_jobs

GOOD_OF: dict[str, Callable[[], RunRecord]] = {
    **dict.fromkeys((check.name for check in figures.CHECKS), long),
    "log-absent": logged,
    "log-present": logged,
    "back-end-values": asked,
    "counter-increase": asked,
    "backlog-in-back-end": asked,
    "oldest-make-room": overflow,
    "patience-kept": patient,
    "fields-arrive": complete,
    "counters-match": complete,
    "histograms-match": complete,
    "metrics-exact": complete,
    "job-identity": two_jobs,
    "gauges-end": stale,
}
"""Where neither a plain good run nor one with an outage has what the check looks at."""
PROMISE_OF = {check: name for name, promise in promises.load().promises.items() for check in reversed(promise.budgets)}


def judged(check: str, record: RunRecord, **more: object) -> CheckResult:
    promise = PROMISE_OF[check]
    if CHECKS[check].wants_pattern:
        more = {"pattern": "Traceback" if check == "log-absent" else "drained", **more}
    return CHECKS[check].judge(record, spec(check, promise, **more), promises.load().budget(promise, check))


def fails(check: str, record: RunRecord, **more: object) -> CheckResult:
    result = judged(check, record, **more)
    assert result.verdict is Verdict.FAIL, result
    return result


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_passes_on_a_good_history(check: str):
    made = GOOD_OF.get(check) or (outage if CHECKS[check].needs_fault else good)

    result = judged(check, made())

    assert result.verdict is Verdict.PASS, result
    assert result.samples >= result.samples_min
    assert result.margin is not None
    assert result.margin >= 0


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_without_samples_is_inconclusive(check: str):
    record = good()
    empty = RunRecord(meta=record.meta, scenario=record.scenario)

    result = judged(check, empty)

    assert result.verdict is Verdict.INCONCLUSIVE, result
    assert result.samples == 0


@pytest.mark.parametrize(
    "check", [name for name, check in CHECKS.items() if not check.whole_run and not check.needs_fault]
)
def test_every_check_of_a_phase_that_never_was_is_inconclusive(check: str):
    assert judged(check, good(), during=["recovery"]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_that_is_asked_for_more_samples_than_there_are_is_inconclusive(check: str):
    made = GOOD_OF.get(check) or (outage if CHECKS[check].needs_fault else good)

    assert judged(check, made(), samples_at_least=100_000).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_says_its_figures_in_the_unit_of_its_budgets(check: str):
    budgets = [promise.budgets[check] for promise in promises.load().promises.values() if check in promise.budgets]

    assert budgets
    assert {budget.unit for budget in budgets} == {CHECKS[check].unit}


def test_a_stricter_limit_of_the_scenario_decides():
    assert judged("rss-p95", good(), at_most=26).verdict is Verdict.PASS
    result = fails("rss-p95", good(), at_most=24)
    assert (result.limit, result.measured, result.margin) == (24, 25.0, -1.0)


# --- resources


def test_cpu_percent_finds_the_one_window_that_is_busy():
    quiet = samples(0.3)
    busy = tuple(replace(s, cpu_seconds=s.cpu_seconds + max(0.0, min(s.t - 5, 6.0)) * 0.2) for s in quiet)

    result = fails("cpu-percent", good(resources=busy))

    assert result.measured == pytest.approx(0.3 + 100 * 0.2 * 6 / 10, abs=0.01)
    assert "worst window" in result.reason


def test_cpu_percent_does_not_judge_less_than_ten_seconds():
    short = good(phases=(Phase("steady-1", "steady", 2.0, 11.0),))

    assert judged("cpu-percent", short).verdict is Verdict.INCONCLUSIVE


def test_cpu_percent_leaves_out_the_warm_up_and_the_harness():
    start_up = tuple(replace(s, cpu_seconds=s.cpu_seconds + min(s.t, 1.5)) for s in samples())
    harness = tuple(replace(s, role="harness", cpu_seconds=s.t) for s in samples())

    assert judged("cpu-percent", good(resources=(*start_up, *harness))).verdict is Verdict.PASS


def test_rss_p95_counts_mebibytes_and_forgives_one_sample_in_twenty():
    one_high = tuple(replace(s, rss_bytes=80 * 1024 * 1024) if s.t == 9.0 else s for s in samples())
    assert judged("rss-p95", good(resources=one_high)).verdict is Verdict.PASS

    assert fails("rss-p95", good(resources=samples(rss_mib=50.1))).measured == pytest.approx(50.1, abs=0.01)
    assert judged("rss-p95", good(resources=samples(rss_mib=49.9))).verdict is Verdict.PASS  # 52.3 MB


def test_rss_peak_counts_megabytes_and_sees_the_start_up():
    at_start = tuple(replace(s, peak_rss_bytes=100_000_001) if s.t == 0.25 else s for s in samples())

    assert fails("rss-peak", good(resources=at_start)).measured == pytest.approx(100.000001)


def test_network_rate_counts_both_directions():
    chatty = tuple(WireSample(t / 2, 32_000 * t, 32_000 * t, 1) for t in range(2, 38))  # 128 kB a second

    assert fails("network-rate", good(wire=chatty)).measured == pytest.approx(1.024)


# --- latency


def test_arrival_latency_is_from_the_write_to_its_first_arrival():
    result = judged("arrival-latency", good())

    assert result.measured == pytest.approx(0.52)
    assert result.target == pytest.approx(1.25)


def test_arrival_latency_of_a_bridge_that_lags_fails():
    record = good(exports=tuple(replace(one, t=one.t + 31) for one in exports()))

    assert fails("arrival-latency", record).measured == pytest.approx(31.52)


def test_age_of_information_grows_while_nothing_arrives():
    """Nothing new between 5.02 s and 13.02 s: just before, the newest value is that of 4.5 s."""
    record = good(exports=tuple(one for one in exports() if not 5.5 < one.t < 13))

    result = fails("age-of-information", record, at_most=8)

    assert result.measured == pytest.approx(13.02 - 4.5, abs=0.06)
    assert "write 3" in result.reason
    assert result.at_seconds == pytest.approx(13.0, abs=0.06)


def test_age_of_information_does_not_blame_the_bridge_for_a_pause_of_the_job():
    writes = tuple(one for one in WRITES if not 5 < one.t < 15)
    paused = Ledger(writes, 2.0, ((5.0, 14.0),), 17.0)
    record = good(ledger=paused, exports=exports(lambda t: newest(t, writes)))

    assert judged("age-of-information", record).measured == pytest.approx(2.52, abs=0.06)


def test_age_of_information_counts_values_that_are_repeated_as_old():
    frozen = good(exports=exports(lambda t: newest(min(t, 3))))

    assert fails("age-of-information", frozen, at_most=14).measured == pytest.approx(17.9 - 2.5, abs=0.06)


# --- delivery


def test_register_model_finds_a_value_that_was_never_written():
    torn = write(3, 4.5, training_loss=0.33)
    record = good(exports=exports(lambda t: torn if t == 5 else newest(t)))

    result = fails("register-model", record)

    assert result.at_seconds == pytest.approx(5.02)
    assert "0.33" in result.reason


def test_register_model_finds_an_older_value_after_a_newer():
    record = good(exports=exports(lambda t: newest(t - 4) if t == 10 else newest(t)))

    assert "after write 5" in fails("register-model", record).reason


def test_register_model_finds_a_value_before_it_was_written():
    assert fails("register-model", good(exports=exports(lambda t: newest(t + 2 if t < 15 else t)))).measured


def test_register_model_finds_that_the_last_value_is_not_the_last_write():
    record = good(exports=tuple(one for one in exports() if one.t < 16))

    assert "last write was 9" in fails("register-model", record).reason


def test_register_model_accepts_writes_that_were_overwritten_unread():
    assert judged("register-model", good(exports=exports()[::4] + exports()[-1:])).verdict is Verdict.PASS


def test_register_model_accepts_the_same_request_again_after_a_lost_answer():
    backlog = export(12.5, [newest(t) for t in range(6, 13)])
    record = outage()
    again = tuple(two for one in record.exports for two in ((one, replace(one, t=12.9)) if one == backlog else (one,)))

    assert len(again) == len(record.exports) + 1
    assert judged("register-model", replace(record, exports=again)).verdict is Verdict.PASS


def test_register_model_does_not_count_what_the_sink_refused():
    refused = export(17.5, [write(4, 6.5)], answered="UNAVAILABLE")

    assert judged("register-model", good(exports=(*exports(), refused))).verdict is Verdict.PASS


def test_equal_losses_are_told_apart_by_the_other_values_and_by_order():
    same = {"training_loss": 0.25}
    writes = (write(1, 0.5), write(2, 2.5, **same), write(3, 4.5), write(4, 6.5, **same), write(5, 8.5))
    record = good(ledger=Ledger(writes, 2.0, (), 17.0), exports=exports(lambda t: newest(t, writes)))

    assert judged("register-model", record).verdict is Verdict.PASS
    assert judged("every-write-delivered", record).verdict is Verdict.PASS
    assert judged("values-match", record).verdict is Verdict.PASS


def test_every_write_delivered_names_the_first_that_was_lost():
    record = good(exports=exports(lambda t: newest(t - 2) if t in {7, 8} else newest(t)))

    result = fails("every-write-delivered", record)

    assert (result.measured, result.at_seconds) == (1, 6.5)
    assert "write 4" in result.reason


def test_every_write_delivered_counts_what_an_outage_lost():
    record = outage()
    lost = tuple(one for one in record.exports if one.t != 12.5)

    assert judged("every-write-delivered", record).verdict is Verdict.PASS
    assert fails("every-write-delivered", replace(record, exports=lost)).measured == 3


def test_every_write_delivered_leaves_out_what_nobody_could_read():
    """A write that was gone after half an interval, and one behind a fault of the file."""
    quick = (*WRITES[:4], write(40, 8.0), *WRITES[4:])
    hidden = (*good().events, fault(10.6, "inject", name="file-missing"), fault(11.5, "heal", name="file-missing"))
    shown = [one for one in quick if one.sequence not in {40, 6}]
    record = good(ledger=Ledger(quick, 2.0, (), 17.0), events=hidden, exports=exports(lambda t: newest(t, shown)))

    result = judged("every-write-delivered", record)

    assert result.verdict is Verdict.PASS, result


def without(*sequences: int, hidden: Sequence[tuple[float, float | None]]) -> RunRecord:
    """These writes never arrived; the file was missing in these stretches, the last maybe to the end."""
    events = [*good().events]
    for number, (begin, end) in enumerate(hidden):
        events.append(fault(begin, "inject", name="file-missing", step=f"step-{number}"))
        events += [fault(end, "heal", name="file-missing", step=f"step-{number}")] if end is not None else []
    shown = [one for one in WRITES if one.sequence not in sequences]
    return good(events=tuple(events), exports=exports(lambda t: newest(t, shown)))


@pytest.mark.parametrize("lost", [5, 7])
def test_a_write_after_a_faults_end_is_due_again(lost: int):
    hidden = ((6.6, 7.4), (10.6, 11.5))

    assert judged("every-write-delivered", without(4, 6, hidden=hidden)).verdict is Verdict.PASS
    assert fails("every-write-delivered", without(4, lost, 6, hidden=hidden)).measured == 1


def test_the_jobs_last_write_is_due_unless_one_of_the_faults_hid_it():
    assert judged("every-write-delivered", without(9, hidden=((6.6, 7.4), (16.4, None)))).verdict is Verdict.PASS
    assert fails("every-write-delivered", without(9, hidden=((6.6, 7.4),))).measured == 1


def test_values_match_names_the_earliest_of_the_wrong_ones():
    wrong = {3: write(2, 2.5, accuracy=0.75), 9: write(5, 8.5, accuracy=0.25)}
    result = fails("values-match", good(exports=exports(lambda t: wrong.get(int(t), newest(t)))))

    assert "accuracy is 0.75, in write 2" in result.reason


def test_values_match_names_metric_and_write():
    wrong = write(3, 4.5, accuracy=0.75)
    result = fails("values-match", good(exports=exports(lambda t: wrong if t == 5 else newest(t))))

    assert "ml.training.accuracy is 0.75, in write 3 0.5" in result.reason


def test_a_gauge_that_came_alone_and_stands_in_no_write_is_found():
    stray = export(9.5, [write(3, 9.4, accuracy=0.77)])
    alone = replace(stray, points=tuple(point for point in stray.points if point.value == 0.77))
    record = good(exports=tuple(sorted([*exports(), alone], key=lambda one: one.t)))

    assert "0.77, which came alone and stands in no write" in fails("values-match", record).reason


def test_values_match_misses_a_gauge_that_does_not_arrive():
    def without_accuracy(t: float) -> Write:
        one = newest(t)
        return replace(one, values={name: v for name, v in one.values.items() if name != "accuracy"})

    assert "accuracy is no value" in fails("values-match", good(exports=exports(without_accuracy))).reason


def test_values_match_does_not_miss_what_cannot_be_sent():
    diverged = tuple(replace(one, values={**one.values, "validation_loss": float("nan")}) for one in WRITES)
    seen = tuple(replace(one, values={k: v for k, v in one.values.items() if k != "validation_loss"}) for one in WRITES)
    record = good(ledger=Ledger(diverged, 2.0, (), 17.0), exports=exports(lambda t: newest(t, seen)))

    assert judged("values-match", record).verdict is Verdict.PASS


def test_last_write_delivered_fails_when_only_the_one_before_arrived():
    record = good(exports=tuple(one for one in exports() if one.t < 16))

    assert "the newest there is 8" in fails("last-write-delivered", record).reason


def test_where_no_update_reached_the_sink_nothing_is_said_of_the_last_write():
    result = judged("last-write-delivered", good(exports=()))
    assert (result.verdict, result.samples) == (Verdict.INCONCLUSIVE, 0)
    assert "no update" in result.reason


def test_last_write_is_not_known_when_the_job_never_said_its_end():
    record = good(ledger=Ledger(WRITES, 2.0, (), None))

    assert judged("last-write-delivered", record).verdict is Verdict.INCONCLUSIVE


# --- liveness


def test_alive_fails_when_the_bridge_ends_before_its_stop_and_names_the_fault_before():
    events = (
        process(1.0, "ready"),
        fault(6.0, "inject", name="file-malformed"),
        process(7.5, "exited", exit_code=1),
    )

    result = fails("alive", good(events=events))

    assert result.at_seconds == 7.5
    assert "exit code 1, 1.5 s after file-malformed began" in result.reason


def test_alive_is_inconclusive_when_nobody_looked():
    assert judged("alive", good(resources=())).verdict is Verdict.INCONCLUSIVE


def test_first_arrival_after_recovery_is_measured_from_the_heal():
    assert judged("first-arrival-after-recovery", outage()).measured == pytest.approx(0.5)


def test_values_after_fault_wants_a_value_written_after_the_heal():
    """The backlog at 12.5 s brings old values; the first write after the heal is that of 12.5 s, seen at 13.02 s."""
    assert judged("values-after-fault", outage()).measured == pytest.approx(1.02)


@pytest.mark.parametrize("check", ["values-after-fault", "first-arrival-after-recovery"])
def test_silence_after_a_fault_until_the_end_fails(check: str):
    record = outage()
    silent = replace(record, exports=tuple(one for one in record.exports if one.t < 6))

    result = fails(check, silent)

    assert "no " in result.reason
    assert result.margin is None  # how late it would have come is not known


@pytest.mark.parametrize("check", ["values-after-fault", "first-arrival-after-recovery"])
def test_a_late_return_fails(check: str):
    record = outage()
    late = replace(record, exports=tuple(one for one in record.exports if not 6 < one.t < 16))

    assert fails(check, late, at_most=3).measured == pytest.approx(4.02)


def resumed_by_the_stop() -> RunRecord:
    """An outage whose end the bridge does not notice until it is asked to end, 6 s later."""
    record = outage()
    last = export(18.1, [newest(t) for t in range(6, 18)])
    return replace(record, exports=(*(one for one in record.exports if one.t < 6), last))


@pytest.mark.parametrize("check", ["values-after-fault", "first-arrival-after-recovery"])
@pytest.mark.parametrize(("at_most", "verdict"), [(5, Verdict.FAIL), (7, Verdict.INCONCLUSIVE)])
def test_what_is_delivered_when_the_bridge_is_asked_to_end_did_not_come_by_itself(
    check: str, at_most: int, verdict: Verdict
):
    result = judged(check, resumed_by_the_stop(), at_most=at_most)

    assert result.verdict is verdict, result.reason
    assert result.measured == pytest.approx(6.0)
    assert "6.00 s until the bridge was asked to end" in result.reason


@pytest.mark.parametrize(("at_most", "verdict"), [(5, Verdict.FAIL), (6, Verdict.PASS)])
def test_a_bridge_that_falls_silent_again_is_found_by_what_it_shows_when_it_is_asked_to_end(
    at_most: int, verdict: Verdict
):
    """The newest that it shows is write 7 of 12.5 s, 2 s of which were its own; the next came at 14.5 s."""
    record = outage()
    silent = tuple(one for one in record.exports if not 14.5 < one.t < 18)

    result = judged("age-of-information-at-stop", replace(record, exports=silent), at_most=at_most)

    assert result.measured == pytest.approx(5.5), result.reason
    assert result.verdict is verdict


@pytest.mark.parametrize(("at_most", "verdict"), [(4, Verdict.FAIL), (5, Verdict.INCONCLUSIVE)])
def test_of_two_faults_the_one_that_was_watched_too_shortly_is_not_covered_by_the_other(at_most: int, verdict: Verdict):
    """From the first at 12 s it takes 4.02 s; the second is healed at 16.5 s, and nothing comes until the stop."""
    record = outage()
    again = (fault(16.2, "inject", step="second"), fault(16.5, "heal", step="second"))
    came = [one for one in record.exports if not 6 < one.t < 16]
    both = replace(
        record,
        events=tuple(sorted((*record.events, *again), key=lambda event: event.t)),
        exports=(*(one for one in came if one.t < 16.5), export(18.1, [newest(18)])),
    )

    result = judged("first-arrival-after-recovery", both, at_most=at_most)

    assert result.verdict is verdict, result.reason
    assert result.measured == pytest.approx(4.02)
    assert "after second was healed at 16.5 s no export came in the 1.50 s until" in result.reason


def test_a_fault_that_was_never_healed_measures_nothing():
    record = outage()
    unhealed = tuple(
        replace(e, data={**e.data, "ok": False}) if e.data["action"] == "heal" else e for e in record.events
    )

    assert judged("first-arrival-after-recovery", replace(record, events=unhealed)).verdict is Verdict.INCONCLUSIVE


# --- shutdown


def test_exit_clean_measures_from_the_signal_to_the_end():
    assert judged("exit-clean", good()).measured == pytest.approx(0.2)


def test_exit_clean_fails_on_another_exit_code():
    events = (*good().events[:-1], process(18.2, "exited", exit_code=1))

    result = fails("exit-clean", good(events=events))
    assert "exit code 1 instead of 0" in result.reason
    assert (result.samples, result.measured, result.margin) == (
        1,
        None,
        None,
    )  # a wrong end that came soon has kept nothing


def test_exit_clean_is_inconclusive_where_nobody_saw_the_code():
    events = good().events
    result = judged("exit-clean", good(events=(*events[:-1], process(18.2, "exited", pid=10))))
    assert (result.verdict, result.samples) == (Verdict.INCONCLUSIVE, 0)


def test_exit_clean_fails_when_the_bridge_had_to_be_killed():
    kill = process(38.0, "signalled", signal="SIGKILL")
    killed = (*good().events[:-1], kill, process(38.0, "killed"), process(38.1, "exited", exit_code=-9))

    result = fails("exit-clean", good(events=killed))

    assert result.measured == pytest.approx(20.0)
    assert "was killed" in result.reason


def test_exit_clean_fails_when_the_end_takes_longer_than_promised():
    slow = (*good().events[:-1], process(34.0, "exited", exit_code=0))

    assert fails("exit-clean", good(events=slow)).measured == pytest.approx(16.0)


def test_exit_clean_fails_when_the_bridge_ended_unasked():
    events = (process(1.0, "ready"), process(7.5, "exited", exit_code=0))

    result = fails("exit-clean", good(events=events))
    assert "before it was asked" in result.reason
    assert result.samples == 1


# --- what the checks stand on


def test_writes_that_are_alike_in_everything_are_named_by_order():
    alike = write(1, 0.5).values
    writes = (write(1, 0.5), write(2, 2.5), replace(write(3, 4.5), values=alike), write(4, 6.5))
    record = good(ledger=Ledger(writes, 2.0, (), 17.0), exports=exports(lambda t: newest(t, writes)))

    assert judged("register-model", record).verdict is Verdict.PASS
    assert judged("every-write-delivered", record).verdict is Verdict.PASS


def test_neighbours_that_are_alike_in_everything_are_shown_by_one_delivery():
    writes = (write(1, 0.5), write(2, 2.5), replace(write(3, 4.5), values=write(2, 2.5).values), write(4, 6.5))
    record = good(ledger=Ledger(writes, 2.0, (), 17.0), exports=exports(lambda t: newest(t, writes)))

    assert judged("every-write-delivered", record).verdict is Verdict.PASS


def test_a_call_with_many_ticks_is_taken_apart_by_series_even_where_their_times_are_one():
    call = export(5.0, [write(1, 0.5), write(2, 2.5), write(3, 4.5)], ticks=[7, 7, 7])

    assert [update.gauges[LOSS] for update in updates(good(exports=(call,)))] == [1, 1 / 2, 1 / 3]


def test_a_tick_that_shows_no_gauge_is_no_update():
    call = export(5.0, [write(1, 0.5)])
    silent = replace(call, points=tuple(replace(point, no_recorded_value=True) for point in call.points))

    assert updates(good(exports=(silent,))) == []
    assert len(updates(good(exports=(silent, call)))) == 1


def test_a_call_with_many_ticks_is_taken_apart_by_time_even_where_no_series_comes_twice():
    first, second = write(1, 0.5), write(2, 2.5)
    only_loss = replace(first, values={"training_loss": 1.0})
    call = export(5.0, [only_loss, second])
    turned = replace(call, points=(call.points[0], *reversed(call.points[1:])))

    assert [len(update.gauges) for update in updates(good(exports=(turned,)))] == [1, 5]


def test_arrival_latency_is_that_of_the_slowest_of_few():
    late = tuple(one for one in exports() if one.t != 5.02)

    assert judged("arrival-latency", good(exports=late)).measured == pytest.approx(6.02 - 4.5)


def test_cpu_percent_does_not_judge_a_window_in_which_the_process_was_replaced():
    used = tuple(replace(s, cpu_seconds=s.cpu_seconds + (5.0 if s.t < 10 else 0.0)) for s in samples())

    assert judged("cpu-percent", good(resources=used)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("check", ["values-after-fault", "first-arrival-after-recovery"])
def test_silence_of_less_than_two_intervals_proves_nothing(check: str):
    record = outage()
    cut = replace(
        record,
        exports=record.exports[:3],
        events=tuple(e for e in record.events if e.t <= 12),
        phases=record.phases[:2],
        meta=replace(record.meta, ended=13.5),
    )

    assert judged(check, cut).verdict is Verdict.INCONCLUSIVE


def test_a_signal_of_a_fault_is_not_the_stop():
    stopped = (good().events[0], good().events[1], process(6.0, "signalled", signal="SIGSTOP"), *good().events[2:])

    assert judged("exit-clean", good(events=stopped)).measured == pytest.approx(0.2)
    assert "until its stop at 18.0 s" in judged("alive", good(events=stopped)).reason


def test_a_fault_that_is_healed_after_the_stop_is_no_recovery():
    record = outage()
    late = replace(record, events=(*record.events, fault(18.5, "heal", step="drain")))

    assert judged("first-arrival-after-recovery", late).verdict is Verdict.PASS

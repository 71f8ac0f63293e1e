"""Checks of totals, series, fields and freshness on histories made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, LOSS
from harness.record import Export, Point, RunRecord
from tests.harness.histories import process, spec
from tests.harness.histories_of_jobs import JOB, NEXT, complete, restarted, stale, two_jobs, writes

BATCHES, EPOCHS = COUNTERS
TIME, SPEED = HISTOGRAMS
ACCURACY = next(metric for metric, field in GAUGES.items() if field == "accuracy")
PROMISE_OF = {check: name for name, promise in promises.load().promises.items() for check in reversed(promise.budgets)}


def judged(check: str, record: RunRecord, **more: object) -> CheckResult:
    promise = PROMISE_OF[check]
    return CHECKS[check].judge(record, spec(check, promise, **more), promises.load().budget(promise, check))


def fails(check: str, record: RunRecord, word: str, **more: object) -> CheckResult:
    result = judged(check, record, **more)
    assert result.verdict is Verdict.FAIL, result
    assert word in result.reason
    return result


def with_points(record: RunRecord, change: Callable[[float, Point], Point | None]) -> RunRecord:
    """The same run with each point changed, or left out for None."""

    def changed(export: Export) -> Export:
        points = [change(export.t, point) for point in export.points]
        return replace(export, points=tuple(point for point in points if point is not None))

    return replace(record, exports=tuple(changed(export) for export in record.exports))


def from_on(metric: str, t: float, change: Callable[[Point], Point | None]) -> Callable[[float, Point], Point | None]:
    return lambda at, point: change(point) if point.metric == metric and at >= t else point


@pytest.mark.parametrize(
    ("check", "made"),
    [
        ("counters-match", complete),
        ("counters-match", restarted),
        ("counters-match", two_jobs),
        ("histograms-match", complete),
        ("histograms-match", restarted),
        ("histograms-match", two_jobs),
        ("histograms-match", stale),
        ("series-count", complete),
        ("series-count", two_jobs),
        ("job-identity", two_jobs),
        ("fields-arrive", complete),
        ("fields-arrive", two_jobs),
        ("gauges-end", stale),
        ("values-after-start", complete),
        ("register-model", restarted),
        ("values-match", two_jobs),
    ],
)
def test_a_good_history_passes(check: str, made: Callable[[], RunRecord]):
    result = judged(check, made())
    assert result.verdict is Verdict.PASS, result


def test_a_total_that_falls_without_a_new_start_is_found():
    record = with_points(restarted(), from_on(BATCHES, 11, lambda point: replace(point, value=1)))
    assert fails("counters-match", record, "fell from 5 to 1 without a new start").at_seconds == pytest.approx(11.02)


def test_a_total_that_falls_with_a_new_start_counts_on_from_there():
    def again(point: Point) -> Point:
        return replace(point, value=(point.value or 0) - 5, start_time_unix_nano=2)

    record = with_points(restarted(), from_on(BATCHES, 11, again))
    assert judged("counters-match", record).verdict is Verdict.PASS


@pytest.mark.parametrize("metric", [BATCHES, EPOCHS])
def test_a_total_beyond_what_the_job_did_is_found(metric: str):
    record = with_points(complete(), from_on(metric, 7, lambda point: replace(point, value=(point.value or 0) + 1)))
    fails("counters-match", record, "where the job had done")


def test_a_total_that_leaves_out_what_was_seen_is_found():
    record = with_points(complete(), from_on(BATCHES, 7, lambda point: replace(point, value=(point.value or 0) - 1)))
    fails("counters-match", record, "were seen to be done")


def test_the_true_total_goes_on_through_epochs_and_over_a_write_whose_epoch_is_spoiled():
    made = [
        replace(one, values={**one.values, "epoch": 1 + (one.sequence > 5), "batch_number": (one.sequence - 1) % 5 + 1})
        for one in writes()
    ]
    made[6] = replace(made[6], values={name: value for name, value in made[6].values.items() if name != "epoch"})
    record = complete(made)
    record = replace(record, scenario={**record.scenario, "job": {**record.scenario["job"], "batches_per_epoch": 5}})

    def faithful(at: float, point: Point) -> Point:
        totals = {BATCHES: min(9, (at - 0.5) // 2 + 1), EPOCHS: 1 + (at > 10.5)}
        return replace(point, value=totals.get(point.metric, point.value))

    assert judged("counters-match", with_points(record, faithful)).verdict is Verdict.PASS
    beyond = with_points(with_points(record, faithful), from_on(BATCHES, 13, lambda point: replace(point, value=9)))
    fails("counters-match", beyond, "where the job had done")


def test_an_unchanged_file_that_is_counted_again_is_found():
    def twice(point: Point) -> Point:
        return replace(point, count=(point.count or 0) + 1, value=(point.value or 0) + 204)

    fails("histograms-match", with_points(complete(), from_on(TIME, 8, twice)), "took 1 values where 0 were new")


def test_a_reading_that_is_not_counted_is_found():
    def never(point: Point) -> Point:
        return replace(point, count=(point.count or 0) - 1, value=(point.value or 0) - 204)

    fails("histograms-match", with_points(complete(), from_on(TIME, 7, never)), "took 0 values where 1 were new")


def test_a_value_that_no_write_had_is_found_in_a_histograms_sum():
    record = with_points(complete(), from_on(SPEED, 7, lambda point: replace(point, value=(point.value or 0) + 50)))
    fails("histograms-match", record, "which no new write has")


def test_a_histogram_that_falls_is_found_unless_it_starts_anew():
    def fewer(point: Point) -> Point:
        return replace(point, count=1, value=1.0)

    fails("histograms-match", with_points(complete(), from_on(TIME, 9, fewer)), "without a new start")
    anew = from_on(TIME, 9, lambda point: replace(point, count=(point.count or 0) - 4, start_time_unix_nano=2))
    assert judged("histograms-match", with_points(complete(), anew)).verdict is Verdict.PASS


def test_attributes_that_change_with_the_batch_are_found():
    def explode(at: float, point: Point) -> Point:
        return replace(point, attributes={**point.attributes, "batch": str(int(at))})

    result = fails("series-count", with_points(complete(), explode), "18 sets of attributes for 1 job")
    assert result.measured == 18


def test_what_a_bridge_says_of_itself_may_have_reasons_as_attributes():
    record = complete()
    own = tuple(Point("ml.bridge.lost", "sum", 0, 1, 1, {"reason": str(number)}) for number in range(9))
    record = replace(
        record, exports=(replace(record.exports[0], points=record.exports[0].points + own), *record.exports[1:])
    )
    assert judged("series-count", record).verdict is Verdict.PASS


def test_a_value_under_another_jobs_name_is_found():
    record = with_points(two_jobs(), lambda _, point: replace(point, attributes={"job.id": JOB}))
    fails("job-identity", record, f"is named {JOB}, {NEXT} wrote")


def test_a_series_that_outlives_its_job_is_found():
    def silent(_: float, point: Point) -> Point | None:
        return None if point.no_recorded_value and point.metric == EPOCHS else point

    fails("job-identity", with_points(two_jobs(), silent), f"{EPOCHS} of the job before was not ended")


def test_one_job_alone_says_nothing_of_identity():
    assert judged("job-identity", complete()).verdict is Verdict.INCONCLUSIVE


def test_a_bridge_without_the_attribute_mixes_no_names():
    record = with_points(two_jobs(), lambda _, point: replace(point, attributes={}))
    assert judged("job-identity", record).verdict is Verdict.PASS


def spoiled(name: str) -> RunRecord:
    """The fifth write has a bad field, and the bridge does what it should."""
    made = writes()
    bad = replace(made[4], values={field: value for field, value in made[4].values.items() if field != name})
    return complete([*made[:4], bad, *made[5:]])


@pytest.mark.parametrize("name", [*GAUGES.values(), *COUNTERS.values(), *HISTOGRAMS.values()])
def test_a_bad_field_that_costs_itself_alone_passes(name: str):
    for check in ("fields-arrive", "values-match", "every-write-delivered", "histograms-match", "register-model"):
        result = judged(check, spoiled(name))
        assert result.verdict is Verdict.PASS, result


def test_a_bad_field_that_costs_the_whole_reading_is_found():
    record = spoiled("accuracy")
    record = replace(record, exports=tuple(one for one in record.exports if not 8.9 < one.t < 10.9))
    fails("fields-arrive", record, "nothing of write 5, at 8.5 s without accuracy arrived")


def test_a_bad_field_that_costs_another_one_is_found():
    record = with_points(
        spoiled("accuracy"), lambda at, point: None if 8.9 < at < 10.9 and point.metric == TIME else point
    )
    fails("fields-arrive", record, f"{TIME} of write 5")


def test_a_bad_field_that_is_filled_with_the_last_good_value_is_found():
    made = spoiled("training_loss")
    record = replace(
        made,
        exports=tuple(
            replace(one, points=(*one.points, replace(one.points[0], metric=LOSS, value=1 / 4)))
            if 8.9 < one.t < 10.9
            else one
            for one in made.exports
        ),
    )
    assert judged("values-match", record).verdict is Verdict.FAIL
    assert judged("fields-arrive", record).verdict is Verdict.FAIL


def test_a_bad_field_that_is_filled_with_some_value_is_found_in_the_write_that_lacks_it():
    filled = next(point for point in complete().exports[0].points if point.metric == ACCURACY)
    made = spoiled("accuracy")
    record = replace(
        made,
        exports=tuple(
            replace(one, points=(*one.points, replace(filled, time_unix_nano=one.points[0].time_unix_nano)))
            if 8.9 < one.t < 10.9
            else one
            for one in made.exports
        ),
    )
    fails("fields-arrive", record, f"{ACCURACY} arrived with write 5, at 8.5 s without accuracy")


def test_gauges_that_were_not_shown_when_the_fault_began_cannot_end():
    record = with_points(stale(), lambda _, point: None if point.metric in GAUGES else point)
    result = judged("gauges-end", record, at_most=6)
    assert (result.verdict, result.samples) == (Verdict.INCONCLUSIVE, 0)
    assert "no gauge was shown" in result.reason


def test_a_total_without_a_write_of_its_job_before_it_is_not_held_against_another_jobs():
    stranger = {"job.id": "nobody"}
    record = with_points(
        complete(), lambda _, point: replace(point, attributes=stranger) if point.metric == BATCHES else point
    )
    assert judged("counters-match", record).samples < judged("counters-match", complete()).samples


def test_gauges_that_do_not_end_are_found():
    record = stale()
    record = replace(record, exports=tuple(one for one in record.exports if one.t != 10.0))
    fails("gauges-end", record, "5 gauges did not end", at_most=6)


def test_one_gauge_that_does_not_end_is_found():
    record = with_points(stale(), lambda _, point: None if point.metric == LOSS and point.no_recorded_value else point)
    fails("gauges-end", record, "1 gauges did not end", at_most=6)


def test_gauges_that_end_too_late_are_found():
    fails("gauges-end", stale(), "4.00 s after outage began", at_most=3)


def test_gauges_that_are_shown_again_while_the_fault_lasts_have_not_ended():
    record = stale()
    again = next(one for one in record.exports if one.t > 8)
    record = replace(record, exports=tuple(sorted([*record.exports, replace(again, t=11.0)], key=lambda one: one.t)))
    fails("gauges-end", record, "did not end", at_most=6)


def test_a_fault_that_is_shorter_than_the_limit_proves_nothing_of_gauges_that_go_on():
    record = replace(stale(), exports=tuple(one for one in stale().exports if one.t != 10.0))
    assert judged("gauges-end", record).verdict is Verdict.INCONCLUSIVE


def test_a_first_value_that_never_came_is_found_where_there_was_time_for_it():
    record = replace(complete(), exports=())
    fails("values-after-start", record, "no value came")
    brief = replace(record, meta=replace(record.meta, ended=1.0), phases=(), events=(process(0.1, "started", pid=1),))
    assert judged("values-after-start", brief).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("at_most", "verdict"), [(17, Verdict.FAIL), (18, Verdict.INCONCLUSIVE)])
def test_a_first_value_that_comes_when_the_bridge_is_asked_to_end_did_not_come_by_itself(
    at_most: int, verdict: Verdict
):
    late = replace(complete(), exports=tuple(one for one in complete().exports if one.t > 18))
    assert late.exports
    result = judged("values-after-start", late, at_most=at_most)
    assert result.verdict is verdict, result.reason
    assert result.measured == pytest.approx(17.5)


@pytest.mark.parametrize(("ended", "verdict"), [(2.4, Verdict.INCONCLUSIVE), (2.6, Verdict.FAIL)])
def test_a_silent_bridge_is_proven_silent_after_two_intervals(ended: float, verdict: Verdict):
    record = replace(complete(), exports=(), phases=(), events=(process(0.1, "started", pid=1),))
    record = replace(record, meta=replace(record.meta, ended=ended))
    assert judged("values-after-start", record, at_most=1).verdict is verdict


def test_an_end_of_the_gauges_that_the_sink_refused_is_none():
    record = stale()
    refused = tuple(replace(one, answered="UNAVAILABLE") if one.t == 10.0 else one for one in record.exports)
    fails("gauges-end", replace(record, exports=refused), "5 gauges did not end", at_most=6)


def test_only_the_named_faults_are_asked_for_the_end_of_the_gauges():
    assert judged("gauges-end", stale(), during=["outage"]).verdict is Verdict.PASS
    assert judged("gauges-end", stale(), during=["another"]).verdict is Verdict.INCONCLUSIVE


def test_the_first_value_counts_from_the_later_of_bridge_and_write():
    assert judged("values-after-start", complete()).measured == pytest.approx(0.52)
    late = replace(complete(), events=(process(0.9, "started", pid=10), *complete().events[1:]))
    assert judged("values-after-start", late).measured == pytest.approx(0.12)

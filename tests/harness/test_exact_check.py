"""`metrics-exact` on histories made by hand: each way in which a metric can be wrong, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, LOSS
from harness.checks.documented import FIELDS, KINDS, UNITS
from harness.record import Export, Point, RunRecord
from tests.harness.histories import fault, spec
from tests.harness.histories_of_jobs import complete, restarted, stale, two_jobs, writes

BATCHES, EPOCHS = COUNTERS
TIME, SPEED = HISTOGRAMS
YEAR_NANO = 365 * 24 * 3600 * 10**9
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(
    r"^\| `(ml\.(?:training|validation)\.\w+)` \| (\w+) \| (\w*) ?\| `training_metrics\.(\w+)`", re.MULTILINE
)

Change = Callable[[Point], Point | None]


def judged(record: RunRecord) -> CheckResult:
    budget = promises.load().budget("latency", "metrics-exact")
    return CHECKS["metrics-exact"].judge(record, spec("metrics-exact", "latency"), budget)


def fails(record: RunRecord, word: str) -> CheckResult:
    result = judged(record)
    assert result.verdict is Verdict.FAIL, result
    assert word in result.reason
    return result


def with_points(change: Change, record: RunRecord | None = None) -> RunRecord:
    """The same run with each point changed, or left out for None."""

    def changed(export: Export) -> Export:
        points = [change(point) for point in export.points]
        return replace(export, points=tuple(point for point in points if point is not None))

    record = record or complete()
    return replace(record, exports=tuple(changed(export) for export in record.exports))


def of(metric: str, change: Change, since: float = 0.0) -> Change:
    return lambda point: change(point) if point.metric == metric and point.time_unix_nano >= since * 1e9 else point


def more(by: float) -> Change:
    return lambda point: replace(point, value=(point.value or 0) + by)


def without(name: str) -> Change:
    return lambda point: replace(point, attributes={k: v for k, v in point.attributes.items() if k != name})


def test_the_table_of_the_nine_is_that_of_the_document():
    kinds = {"gauge": "gauge", "sum": "counter", "histogram": "histogram"}
    told = {(metric, kinds[KINDS[metric]], UNITS[metric], field) for metric, field in FIELDS.items()}
    assert set(ROW.findall(DOCUMENT.read_text(encoding="utf-8"))) == told


@pytest.mark.parametrize("made", [complete, restarted, two_jobs, stale])
def test_a_good_history_passes(made: Callable[[], RunRecord]):
    result = judged(made())
    assert result.verdict is Verdict.PASS, result


@pytest.mark.parametrize("metric", FIELDS)
def test_a_metric_that_never_arrives_is_found(metric: str):
    if metric == LOSS:
        fails(with_points(of(metric, lambda _: None)), f"{LOSS} never arrived")
    else:
        fails(with_points(of(metric, lambda _: None)), f"{metric} never arrived, though the job wrote {FIELDS[metric]}")


@pytest.mark.parametrize("metric", [*COUNTERS, *HISTOGRAMS])
def test_a_metric_that_stops_to_arrive_is_found(metric: str):
    fails(with_points(of(metric, lambda _: None, since=9)), f"{metric} did not come with write")


def test_a_metric_that_the_job_never_writes_is_not_missed():
    gone = [replace(one, values={k: v for k, v in one.values.items() if k != "gpu_utilization"}) for one in writes()]
    assert judged(complete(gone)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (of(LOSS, lambda point: replace(point, unit="1")), "has the unit '1', documented is ''"),
        (of(TIME, lambda point: replace(point, unit="s")), "has the unit 's', documented is 'ms'"),
        (of(LOSS, lambda point: replace(point, kind="sum")), "is a sum, documented as a gauge"),
        (of(BATCHES, lambda point: replace(point, monotonic=False)), "is not monotonic"),
        (of(BATCHES, lambda point: replace(point, temporality="delta")), "is delta, not cumulative"),
        (of(TIME, lambda point: replace(point, temporality="delta")), "is delta, not cumulative"),
        (of(LOSS, without("job.id")), "has job.id None, which no job"),
        (of(LOSS, without("model.name")), "has model.name None, which no job"),
        (of(BATCHES, without("dataset")), "has dataset None, which no job"),
        (of(LOSS, lambda point: replace(point, attributes={**point.attributes, "dataset": "x"})), "has dataset 'x'"),
        (of(LOSS, lambda point: replace(point, time_unix_nano=point.time_unix_nano + YEAR_NANO)), "outside of the run"),
        (lambda point: replace(point, time_unix_nano=point.time_unix_nano + YEAR_NANO), "outside of the run"),
        (lambda point: replace(point, time_unix_nano=point.time_unix_nano - YEAR_NANO), "outside of the run"),
        (lambda point: replace(point, time_unix_nano=1_000_000_000), "an update of 1.0 s shows write"),
        (of(BATCHES, lambda point: replace(point, start_time_unix_nano=YEAR_NANO)), "after its own time"),
        (
            of(EPOCHS, lambda point: replace(point, metric="ml.training.epochs")),
            "ml.training.epochs is documented nowhere",
        ),
    ],
)
def test_a_point_that_is_not_as_documented_is_found(change: Change, word: str):
    fails(with_points(change), word)


@pytest.mark.parametrize(("late_seconds", "verdict"), [(1.9, Verdict.PASS), (2.1, Verdict.FAIL)])
def test_a_clock_may_be_an_interval_and_a_second_ahead_and_no_more(late_seconds: float, verdict: Verdict):
    late = int(late_seconds * 1e9)
    record = with_points(lambda point: replace(point, time_unix_nano=point.time_unix_nano + late))
    assert judged(record).verdict is verdict


def late_backlog(restamp: bool) -> RunRecord:
    """What was read from 6 s to 12 s arrives at 12.5 s: at the times at which it was read, or stamped anew."""
    record = complete()
    held = [one for one in record.exports if 6 < one.t < 12]

    def stamped(point: Point) -> Point:
        return replace(point, time_unix_nano=int(12.4e9)) if restamp else point

    backlog = [replace(one, t=12.5, points=tuple(map(stamped, one.points))) for one in held]
    before = [one for one in record.exports if one.t < 6]
    return replace(record, exports=(*before, *backlog, *(one for one in record.exports if one.t > 12.5)))


def test_a_backlog_keeps_the_times_at_which_it_was_read():
    assert judged(late_backlog(restamp=False)).verdict is Verdict.PASS
    fails(late_backlog(restamp=True), "an update of 12.4 s shows write 3, which the next one had replaced at 6.5 s")


def test_a_value_that_is_shown_on_while_a_fault_hides_the_file_keeps_no_time():
    record = late_backlog(restamp=True)
    hidden = (fault(5.9, "inject", name="file-missing"), fault(12.45, "heal", name="file-missing"))
    assert judged(replace(record, events=(*record.events, *hidden))).verdict is Verdict.PASS


def test_points_stamped_zero_are_found_where_the_run_lies_in_our_days():
    record = with_points(lambda point: replace(point, time_unix_nano=0))
    fails(replace(record, meta=replace(record.meta, origin_unix_nano=50 * YEAR_NANO)), "outside of the run")


@pytest.mark.parametrize("service", [{}, {"service.name": "unknown_service"}])
def test_another_service_name_than_the_given_one_is_found(service: dict[str, str | int | float | bool]):
    record = complete()
    exports = tuple(replace(export, resource=service) for export in record.exports)
    fails(replace(record, exports=exports), "given was 'bridge-under-test'")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (of(BATCHES, more(1000)), "where the job had done"),
        (of(EPOCHS, more(1)), "where the job had done"),
        (of(BATCHES, lambda point: replace(point, value=0), since=9), "fell from 4 to 0 without a new start"),
        (of(BATCHES, lambda point: replace(point, value=0)), "in whose epoch 1 were done"),
        (of(BATCHES, lambda point: replace(point, value=max(0, (point.value or 0) - 3))), "in whose epoch 1 were done"),
    ],
)
def test_a_total_that_the_job_did_not_make_is_found(change: Change, word: str):
    fails(with_points(change), word)


def test_a_total_that_grows_by_more_than_the_job_did_between_two_deliveries_is_found():
    low = with_points(of(BATCHES, more(-1)))
    assert judged(low).verdict is Verdict.PASS
    fails(with_points(of(BATCHES, more(1), since=9), low), "grew by 2 since write 4, the job did 1")


def test_a_total_may_leave_out_what_an_epoch_did_before_it_was_seen():
    of_two_epochs = [
        replace(one, values={**one.values, "epoch": 1 + (one.sequence > 5), "batch_number": (one.sequence - 1) % 5 + 1})
        for one in writes()
    ]
    record = complete(of_two_epochs)
    record = replace(record, scenario={**record.scenario, "job": {**record.scenario["job"], "batches_per_epoch": 5}})
    assert judged(record).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (of(TIME, lambda point: replace(point, value=(point.value or 0) * 2)), "writes add up to"),
        (of(SPEED, more(0.5), 9), "writes add up to"),
        (of(TIME, lambda point: replace(point, count=(point.count or 0) + 1)), "took 2 values since its start"),
        (of(TIME, lambda point: replace(point, count=(point.count or 0) + 1), 9), "took 2 values since write 4"),
        (of(TIME, lambda point: replace(point, count=1, value=201.0)), "took 0 values since write 1"),
    ],
)
def test_a_histogram_of_anything_but_the_writes_is_found(change: Change, word: str):
    fails(with_points(change), word)


def test_what_a_bridge_says_under_other_names_is_its_own_affair():
    record = complete()
    own = Point("up", "gauge", 1.0, 0, 0, {}, unit="1")
    exports = tuple(replace(export, points=(*export.points, own)) for export in record.exports)
    assert judged(replace(record, exports=exports)).verdict is Verdict.PASS


def test_a_record_that_holds_neither_units_nor_the_wall_clock_nor_names_is_judged_by_the_rest():
    record = with_points(lambda point: replace(point, unit=None, temporality=None, monotonic=None))
    processes = tuple(replace(one, model_name="", dataset="") for one in record.ledger.processes)
    older = replace(
        record,
        meta=replace(record.meta, origin_unix_nano=None),
        ledger=replace(record.ledger, processes=processes),
    )
    assert judged(older).verdict is Verdict.PASS
    fails(with_points(of(BATCHES, more(1000)), older), "where the job had done")


def test_only_points_of_other_names_are_no_sample():
    record = with_points(lambda point: replace(point, metric="up"))
    assert judged(record).verdict is Verdict.INCONCLUSIVE


def test_gauges_alone_are_no_bridge():
    result = fails(with_points(lambda point: point if point.metric in GAUGES else None), "never arrived")
    assert result.measured == len(COUNTERS) + len(HISTOGRAMS)

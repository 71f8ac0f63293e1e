"""What comes beside an honest update is judged too: second requests, lone points, new starts, buckets, resources."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS, LOSS
from harness.checks.distributions import BOUNDS
from harness.record import Export, Point, RunRecord
from tests.harness.histories import spec
from tests.harness.histories_of_jobs import complete, restarted, stale, two_jobs

BATCHES, _ = COUNTERS
TIME, _ = HISTOGRAMS
ACCURACY = "ml.training.accuracy"
HISTORIES = [complete, restarted, two_jobs, stale]


def judged(record: RunRecord, check: str = "metrics-exact") -> CheckResult:
    budget = promises.load().budget("latency", check)
    return CHECKS[check].judge(record, spec(check, "latency"), budget)


def changed(record: RunRecord, change: Callable[[Export], list[Export]]) -> RunRecord:
    return replace(record, exports=tuple(new for export in record.exports for new in change(export)))


def of_kind(export: Export, kind: str, *, but: bool = False) -> Export:
    return replace(export, points=tuple(point for point in export.points if (point.kind == kind) is not but))


def later(export: Export, seconds: float = 0.005) -> Export:
    nano = int(seconds * 1e9)
    points = tuple(replace(point, time_unix_nano=point.time_unix_nano + nano) for point in export.points)
    return replace(export, t=export.t + seconds, points=points)


def split(record: RunRecord) -> RunRecord:
    """As from a bridge that sends its gauges in one call, and all the rest in another one 5 ms later."""
    return changed(record, lambda export: [of_kind(export, "gauge"), later(of_kind(export, "gauge", but=True))])


def with_buckets(record: RunRecord) -> RunRecord:
    """As the sink writes it down: with bounds and buckets, each value in its own."""

    def counted(export: Export) -> list[Export]:
        points = []
        for point in export.points:
            if point.kind == "histogram" and not point.no_recorded_value:
                bounds = BOUNDS[point.metric]
                held = [0] * (len(bounds) + 1)
                held[bisect_left(bounds, 101)] = point.count or 0  # each history's values lie between 100 and 250
                points.append(replace(point, bounds=bounds, buckets=tuple(held)))
            else:
                points.append(point)
        return [replace(export, points=tuple(points))]

    return changed(record, counted)


@pytest.mark.parametrize("made", HISTORIES)
@pytest.mark.parametrize(
    "shape", [split, with_buckets, lambda record: changed(record, lambda one: [one, later(one, 0)])]
)
def test_an_honest_bridge_may_split_its_calls_and_send_again(
    made: Callable[[], RunRecord], shape: Callable[[RunRecord], RunRecord]
):
    record = shape(made())
    for check in ("metrics-exact", "values-match", "counters-match", "histograms-match"):
        result = judged(record, check)
        assert result.verdict is Verdict.PASS, (check, result.reason)


def lie(export: Export, values: dict[str, float], seconds: float = 0.0) -> Export:
    points = tuple(replace(p, value=values[p.metric]) for p in export.points if p.metric in values)
    return later(replace(export, points=points), seconds)


def test_the_same_time_and_loss_with_other_values_is_no_repetition():
    record = complete()
    others = {metric: 12345.0 for metric in GAUGES if metric != LOSS}
    lied = changed(
        record,
        lambda export: [
            export,
            replace(export, points=(*(p for p in export.points if p.metric == LOSS), *lie(export, others).points)),
        ],
    )
    result = judged(lied, "values-match")
    assert result.verdict is Verdict.FAIL
    assert "12345" in result.reason


@pytest.mark.parametrize("check", ["values-match", "metrics-exact"])
def test_a_value_that_comes_alone_and_was_never_written_is_found(check: str):
    result = judged(changed(complete(), lambda export: [export, lie(export, {ACCURACY: 12345.0}, 0.005)]), check)
    assert result.verdict is Verdict.FAIL
    assert "12345.0" in result.reason


def test_gauges_that_come_one_by_one_pass_where_each_was_written():
    record = changed(complete(), lambda export: [export, lie(export, {}, 0.005)])
    lone = changed(complete(), lambda export: [export, later(only(export, ACCURACY))])
    assert judged(record, "values-match").verdict is judged(lone, "values-match").verdict is Verdict.PASS


def only(export: Export, metric: str) -> Export:
    return replace(export, points=tuple(point for point in export.points if point.metric == metric))


@pytest.mark.parametrize(
    ("metric", "value", "word"),
    [
        (BATCHES, 999_999.0, "where the job had done"),
        (BATCHES, 0.0, "were done"),
        (TIME, 1e9, "writes add up to"),
    ],
)
def test_totals_in_a_call_of_their_own_are_judged(metric: str, value: float, word: str):
    def change(point: Point) -> Point:
        return replace(point, value=value) if point.metric == metric else point

    record = split(complete())
    lied = changed(record, lambda export: [replace(export, points=tuple(map(change, export.points)))])
    result = judged(lied)
    assert result.verdict is Verdict.FAIL
    assert word in result.reason


def test_a_stray_total_beside_an_honest_one_is_judged():
    lied = changed(complete(), lambda export: [export, lie(export, {BATCHES: 0.0}, 0.005)])
    result = judged(lied)
    assert result.verdict is Verdict.FAIL
    assert "fell from" in result.reason


def test_totals_that_begin_anew_with_each_point_are_found():
    def anew(point: Point) -> Point:
        if point.kind == "gauge":
            return point
        empty = {"value": 0.0, **({"count": 0} if point.kind == "histogram" else {})}
        return replace(point, start_time_unix_nano=point.time_unix_nano - 1, **empty)

    lied = changed(complete(), lambda export: [replace(export, points=tuple(map(anew, export.points)))])
    result = judged(lied)
    assert result.verdict is Verdict.FAIL
    assert "began anew once more: 18 starts in all, not 1" in result.reason


def test_totals_may_begin_once_where_nobody_saw_the_bridge_start():
    record = complete()
    unseen = replace(record, events=tuple(one for one in record.events if one.kind != "process"))
    assert judged(unseen).verdict is Verdict.PASS


def test_a_job_that_was_started_again_may_give_its_totals_another_start():
    def anew(point: Point) -> Point:
        later_one = point.time_unix_nano > 10.5e9 and point.kind == "sum"
        return replace(point, start_time_unix_nano=10_000_000_000) if later_one else point

    record = changed(restarted(), lambda export: [replace(export, points=tuple(map(anew, export.points)))])
    assert judged(record).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("buckets", "word"),
    [
        (lambda held: (7,) * len(held), "values in 17 buckets, and counts"),
        (lambda held: (sum(held), *(0,) * (len(held) - 1)), "bucket up to 1 took"),
        (lambda held: held[:-1], "values in 16 buckets"),
    ],
)
def test_buckets_that_do_not_hold_the_values_are_found(
    buckets: Callable[[tuple[int, ...]], tuple[int, ...]], word: str
):
    def change(point: Point) -> Point:
        return point if point.buckets is None else replace(point, buckets=buckets(point.buckets))

    lied = changed(with_buckets(complete()), lambda one: [replace(one, points=tuple(map(change, one.points)))])
    result = judged(lied)
    assert result.verdict is Verdict.FAIL
    assert word in result.reason


def test_other_bounds_than_the_documented_ones_are_found():
    def change(point: Point) -> Point:
        return point if point.bounds is None else replace(point, bounds=tuple(bound + 1 for bound in point.bounds))

    lied = changed(with_buckets(complete()), lambda one: [replace(one, points=tuple(map(change, one.points)))])
    assert "has the bounds" in judged(lied).reason


def test_the_bounds_are_those_of_the_document():
    from tests.harness.test_exact_check import DOCUMENT  # noqa: PLC0415 - one place for the path

    text = DOCUMENT.read_text(encoding="utf-8")
    for metric, bounds in BOUNDS.items():
        assert f"| `{metric}` | {', '.join(f'{bound:.12g}' for bound in bounds)} |" in text


def test_another_instance_with_each_call_is_a_series_with_each_call():
    numbers = iter(range(100))
    lied = changed(
        complete(),
        lambda export: [replace(export, resource={**export.resource, "service.instance.id": f"i{next(numbers)}"})],
    )
    result = judged(lied, "series-count")
    assert (result.verdict, result.measured) == (Verdict.FAIL, 18)
    assert "points came from service.instance.id 'i1', before from 'i0'" in judged(lied).reason


def test_an_instance_that_is_not_named_is_found():
    lied = changed(complete(), lambda one: [replace(one, resource={"service.name": "bridge-under-test"})])
    assert "without a service.instance.id" in judged(lied).reason


def test_a_point_under_a_resource_of_its_own_is_judged_by_it():
    def under_another(export: Export) -> list[Export]:
        first, *rest = export.points
        other = {**export.resource, "service.name": "liar"}
        return [replace(export, points=(replace(first, resource=other), *rest))]

    assert "service.name 'liar'" in judged(changed(complete(), under_another)).reason

"""What is in the encoded request: kinds, times, starts, ends, and nothing that the encoder would choke on."""

from __future__ import annotations

import gc
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE, Metric

from bridge.instruments import Instruments, points_of
from bridge.mapping import DEFAULT
from bridge.metrics_file import Identity, Reading
from bridge.snapshot import Snapshot, parse

ROOT = Path(__file__).parents[2]
COMPLETE = json.loads((ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json").read_text())
SINCE, SECOND = 1_729_593_000 * 10**9, 10**9
JOB_STARTED = 1_729_591_200 * 10**9
GAUGES = {rule.name for rule in DEFAULT.metrics if rule.kind == "gauge"}


def snapshot(metadata: dict[str, object] | None = None, **metrics: object) -> Snapshot:
    document = COMPLETE | {
        "job_metadata": COMPLETE["job_metadata"] | (metadata or {}),
        "training_metrics": COMPLETE["training_metrics"] | metrics,
    }
    return parse(Reading(json.dumps(document).encode(), Identity(1, 1, 1), 0.0, SINCE))


def instruments() -> Instruments:
    return Instruments({"service.name": "job", "service.instance.id": "pod-1"}, SINCE)


def decoded(encoded: bytes | None) -> dict[str, Metric]:
    assert encoded is not None
    request = ExportMetricsServiceRequest.FromString(encoded)
    assert len(request.resource_metrics) == 1
    assert len(request.resource_metrics[0].scope_metrics) == 1
    return {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}


def value(metrics: dict[str, Metric], name: str) -> float | int | None:
    (point,) = points_of(metrics[name])
    kind = point.WhichOneof("value")
    return None if kind is None else getattr(point, kind)


def ended(metrics: dict[str, Metric]) -> set[str]:
    return {name for name, metric in metrics.items() for point in points_of(metric) if point.flags == 1}


def test_nothing_is_sent_before_there_is_something_to_say():
    assert instruments().collect(SINCE) is None


def test_each_metric_of_the_table_is_sent_with_its_kind_unit_and_description():
    made = instruments()
    made.record(snapshot())
    metrics = decoded(made.collect(SINCE + SECOND))
    kinds = {"gauge": "gauge", "counter": "sum", "histogram": "histogram"}
    told = {name: (metric.WhichOneof("data"), metric.unit, metric.description) for name, metric in metrics.items()}
    assert told == {rule.name: (kinds[rule.kind], rule.unit, rule.description) for rule in DEFAULT.metrics}
    for name in ("ml.training.epoch", "ml.training.batch_number"):
        assert metrics[name].sum.is_monotonic
        assert metrics[name].sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE


def test_the_values_are_those_of_the_file():
    made = instruments()
    made.record(snapshot(), appeared=True)
    metrics = decoded(made.collect(SINCE + SECOND))
    assert {name: value(metrics, name) for name in GAUGES} == {
        "ml.training.loss": 0.342,
        "ml.validation.loss": 0.389,
        "ml.training.accuracy": 0.876,
        "ml.training.learning_rate": 0.001,
        "ml.training.gpu_utilization": 0.94,
    }
    assert value(metrics, "ml.training.epoch") == 5
    assert value(metrics, "ml.training.batch_number") == 150
    (point,) = metrics["ml.training.processing_time"].histogram.data_points
    assert (point.count, point.sum) == (1, 245)
    rule = next(rule for rule in DEFAULT.metrics if rule.name == "ml.training.processing_time")
    assert tuple(point.explicit_bounds) == rule.buckets
    assert point.bucket_counts[rule.buckets.index(250)] == 1


def test_every_point_has_the_ticks_time_and_three_attributes():
    made = instruments()
    made.record(snapshot())
    for metric in decoded(made.collect(SINCE + 7 * SECOND)).values():
        for point in points_of(metric):
            assert point.time_unix_nano == SINCE + 7 * SECOND
            assert {pair.key: pair.value.string_value for pair in point.attributes} == {
                "job.id": "training-job-123",
                "model.name": "resnet-50",
                "dataset": "imagenet",
            }


def test_the_resource_is_what_it_was_told():
    made = instruments()
    made.record(snapshot())
    request = ExportMetricsServiceRequest.FromString(made.collect(SINCE) or b"")
    attributes = {pair.key: pair.value.string_value for pair in request.resource_metrics[0].resource.attributes}
    assert attributes == {"service.name": "job", "service.instance.id": "pod-1"}


def test_a_gauge_is_repeated_and_a_histogram_counts_each_reading_once():
    made = instruments()
    made.record(snapshot())
    for tick in range(5):
        metrics = decoded(made.collect(SINCE + tick * SECOND))
    assert value(metrics, "ml.training.loss") == 0.342
    assert metrics["ml.training.processing_time"].histogram.data_points[0].count == 1
    made.record(snapshot(processing_time_ms=5))
    (point,) = decoded(made.collect(SINCE + 9 * SECOND))["ml.training.processing_time"].histogram.data_points
    assert (point.count, point.sum) == (2, 250)


def test_a_histogram_that_goes_on_has_all_its_numbers():
    made = instruments()
    for tick, milliseconds in enumerate((40, 3, 900)):
        made.record(snapshot(processing_time_ms=milliseconds))
        metrics = decoded(made.collect(SINCE + tick * SECOND))
    (point,) = metrics["ml.training.processing_time"].histogram.data_points
    assert (point.count, point.sum, point.min, point.max) == (3, 943, 3, 900)
    assert sum(point.bucket_counts) == 3
    assert [point.bucket_counts[point.explicit_bounds[:].index(bound)] for bound in (5, 50, 1000)] == [1, 1, 1]


def test_gauges_end_with_one_flagged_point_each_then_silence_then_come_back():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    metrics = decoded(made.collect(SINCE + SECOND, gauges_live=False))
    assert ended(metrics) == GAUGES
    assert all(value(metrics, name) is None for name in GAUGES)
    assert points_of(metrics["ml.training.loss"])[0].time_unix_nano == SINCE + SECOND
    assert len(points_of(metrics["ml.training.loss"])[0].attributes) == 3
    silent = decoded(made.collect(SINCE + 2 * SECOND, gauges_live=False))
    assert not GAUGES & silent.keys()
    assert value(silent, "ml.training.epoch") == 5
    back = decoded(made.collect(SINCE + 3 * SECOND))
    assert not ended(back)
    assert value(back, "ml.training.loss") == 0.342


@pytest.mark.parametrize("loss", [math.nan, math.inf, None, "0.3", True])
def test_a_gauge_whose_field_is_bad_in_the_newest_reading_ends_at_once_and_alone(loss: object):
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    made.record(snapshot(training_loss=loss))
    metrics = decoded(made.collect(SINCE + SECOND))
    assert ended(metrics) == {"ml.training.loss"}
    assert value(metrics, "ml.validation.loss") == 0.389


def test_a_request_is_as_long_after_ten_thousand_ticks():
    made = instruments()
    made.record(snapshot(batch_number=1))
    first = len(made.collect(SINCE) or b"")
    for tick in range(1, 10_001):
        if tick % 10 == 0:
            made.record(snapshot(batch_number=1 + tick, epoch=1 + tick // 100))
        last = made.collect(SINCE + tick * SECOND)
    assert len(last or b"") == first


def test_the_message_is_kept_from_tick_to_tick_while_the_metrics_in_it_stay_the_same():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE + SECOND)
    assert made._series is not None
    first = made._series.encoded
    made.record(snapshot(training_loss=0.3))
    assert value(decoded(made.collect(SINCE + 2 * SECOND)), "ml.training.loss") == 0.3
    assert made._series.encoded is first
    made.record(snapshot(training_loss=None))  # its end is said once, so that the message cannot be kept
    made.collect(SINCE + 3 * SECOND)
    made.collect(SINCE + 4 * SECOND)
    assert made._series.encoded is not first


def test_totals_start_with_the_job_when_they_hold_all_of_it():
    made = instruments()
    made.record(snapshot(), appeared=True)
    metrics = decoded(made.collect(SINCE + SECOND))
    for name in ("ml.training.epoch", "ml.training.batch_number"):
        assert points_of(metrics[name])[0].start_time_unix_nano == JOB_STARTED


def test_totals_start_with_their_first_point_when_what_was_before_is_not_known():
    made = instruments()
    made.record(snapshot())
    for tick in (1, 2):
        metrics = decoded(made.collect(SINCE + tick * SECOND))
        assert value(metrics, "ml.training.batch_number") == 0
        assert points_of(metrics["ml.training.batch_number"])[0].start_time_unix_nano == SINCE + SECOND
        assert points_of(metrics["ml.training.epoch"])[0].start_time_unix_nano == JOB_STARTED


def test_totals_start_with_the_last_look_that_found_nothing_where_the_job_does_not_say_when_it_began():
    made = instruments()
    for tick in range(3):
        assert made.collect(SINCE + tick * SECOND) is None
    made.record(snapshot({"start_time": None}), appeared=True)
    metrics = decoded(made.collect(SINCE + 3 * SECOND))
    for name in ("ml.training.epoch", "ml.training.batch_number", "ml.training.processing_time"):
        assert points_of(metrics[name])[0].start_time_unix_nano == SINCE + 2 * SECOND


def test_a_total_that_nobody_knows_the_start_of_starts_with_its_first_point():
    made = instruments()
    made.record(snapshot({"start_time": None}))
    for tick in (1, 2):
        for name in ("ml.training.epoch", "ml.training.batch_number"):
            (point,) = points_of(decoded(made.collect(SINCE + tick * SECOND))[name])
            assert point.start_time_unix_nano == SINCE + SECOND
            made.record(snapshot({"start_time": None}, batch_number=160))


def test_no_start_is_after_its_point_even_when_the_clock_is_set_back():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    for metric in decoded(made.collect(SINCE - 3600 * SECOND)).values():
        assert points_of(metric)[0].start_time_unix_nano <= SINCE - 3600 * SECOND


def test_a_start_that_lies_ahead_is_the_time_of_the_first_point_and_stays_it():
    made = instruments()
    made.record(snapshot(), appeared=True)
    for tick in range(4):  # the job says that it began at the third
        for metric in decoded(made.collect(JOB_STARTED + (tick - 2) * SECOND)).values():
            assert points_of(metric)[0].start_time_unix_nano in (0, JOB_STARTED - 2 * SECOND)


def test_metadata_that_a_reading_of_the_same_job_leaves_out_stays_as_it_was():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    made.record(snapshot({"model_name": None, "job_id": 5.5}, processing_time_ms=5))
    metrics = decoded(made.collect(SINCE + SECOND))
    assert not ended(metrics)
    assert metrics["ml.training.processing_time"].histogram.data_points[0].count == 2


def labels(metrics: dict[str, Metric], name: str = "ml.training.loss") -> list[dict[str, str]]:
    return [{pair.key: pair.value.string_value for pair in point.attributes} for point in points_of(metrics[name])]


def test_another_job_inherits_no_metadata():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    made.record(snapshot({"job_id": "another", "dataset": None}))
    new, old = labels(decoded(made.collect(SINCE + SECOND)))
    assert new == {"job.id": "another", "model.name": "resnet-50"}
    assert old == {"job.id": "training-job-123", "model.name": "resnet-50", "dataset": "imagenet"}


def test_where_nothing_tells_jobs_apart_metadata_that_is_left_out_stays():
    made = Instruments({"service.name": "job"}, SINCE, DEFAULT._replace(identifies_job=None))
    made.record(snapshot())
    made.collect(SINCE)
    made.record(snapshot({"job_id": "another", "dataset": None}))
    new, _old = labels(decoded(made.collect(SINCE + SECOND)))
    assert new == {"job.id": "another", "model.name": "resnet-50", "dataset": "imagenet"}


def test_the_series_of_the_old_job_end_when_another_job_writes():
    made = instruments()
    made.record(snapshot())
    made.collect(SINCE)
    made.record(snapshot({"job_id": "another"}, processing_time_ms=5))
    metrics = decoded(made.collect(SINCE + SECOND))
    for metric in metrics.values():
        new, old = points_of(metric)
        assert {pair.value.string_value for pair in new.attributes} >= {"another"}
        assert {pair.value.string_value for pair in old.attributes} >= {"training-job-123"}
        assert (new.flags, old.flags) == (0, 1)
    assert metrics["ml.training.processing_time"].histogram.data_points[0].count == 1
    for metric in decoded(made.collect(SINCE + 2 * SECOND)).values():
        assert len(points_of(metric)) == 1


def test_an_end_is_of_the_kind_of_the_series_that_it_ends():
    made = instruments()
    made.record(snapshot({"job_id": "job-a"}), appeared=True)
    before = decoded(made.collect(SINCE + SECOND))
    made.record(snapshot({"job_id": "job-b"}, **dict.fromkeys(COMPLETE["training_metrics"])))  # new, with no value
    ends = decoded(made.collect(SINCE + 2 * SECOND))
    assert ended(ends) == set(ends) == set(before)

    def kind(metric: Metric) -> tuple[str | None, int, bool, str, str]:
        data = getattr(metric, metric.WhichOneof("data") or "gauge")
        temporality, monotonic = (getattr(data, name, 0) for name in ("aggregation_temporality", "is_monotonic"))
        return metric.WhichOneof("data"), temporality, monotonic, metric.unit, metric.description

    assert {name: kind(metric) for name, metric in ends.items()} == {name: kind(before[name]) for name in before}


def test_another_start_under_the_same_name_counts_the_run_anew_in_the_same_series():
    made = instruments()
    made.record(snapshot(epoch=1, batch_number=30))
    made.collect(SINCE)
    made.record(snapshot({"start_time": "2024-10-22T11:00:00Z"}, epoch=1, batch_number=40))
    metrics = decoded(made.collect(SINCE + SECOND))
    assert not ended(metrics)
    assert value(metrics, "ml.training.batch_number") == 70
    assert value(metrics, "ml.training.epoch") == 2
    assert points_of(metrics["ml.training.epoch"])[0].start_time_unix_nano == JOB_STARTED


def test_a_job_that_gives_itself_a_new_name_with_each_write_costs_no_memory():
    made = instruments()
    counts = []
    for number in range(300):
        made.record(snapshot({"job_id": f"job-{number}"}))
        made.collect(SINCE + number * SECOND)
        if number in (99, 299):
            gc.collect()
            counts.append(len(gc.get_objects()))
    assert counts[1] - counts[0] < 50


NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.floats(0, 1e15) | st.text(max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries({}, optional={rule.path[1]: NUMBERS for rule in DEFAULT.metrics}),
            st.fixed_dictionaries({}, optional={"job_id": st.text(max_size=3), "model_name": NUMBERS}),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_whatever_the_job_writes_the_request_can_be_encoded_and_holds_finite_numbers_only(
    turns: list[tuple[dict[str, object], dict[str, object], bool]],
):
    made, twin = instruments(), instruments()
    for tick, (metrics, metadata, live) in enumerate(turns):
        made.record(snapshot(metadata, **metrics))
        twin.record(snapshot(metadata, **metrics))
        encoded = made.collect(SINCE + tick * SECOND, gauges_live=live)
        if twin._series is not None:
            twin._series.encoded = None
        assert encoded == twin.collect(SINCE + tick * SECOND, gauges_live=live), "a request that is made anew"
        for name, metric in decoded(encoded).items() if encoded else ():
            for point in points_of(metric):
                assert point.flags in (0, 1)
                held = point.sum if metric.WhichOneof("data") == "histogram" else point.as_double
                assert math.isfinite(held), name

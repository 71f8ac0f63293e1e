"""From a serialized ExportMetricsServiceRequest to the points of the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no type hints
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags, Metric


class NotARequestError(ValueError):
    """These bytes are no request."""


Attributes = dict[str, str | int | float | bool]


def points_of(request: bytes) -> tuple[Attributes, list[dict[str, Any]]]:
    """Decode a request: its last resource, and its points in order as JSON of `harness.record.Point`.

    A request of several ticks repeats its resource; a point under another one than the last names its own. Fields that
    have their usual value are left out.

    Raises:
        NotARequestError: these bytes are no such request.
    """
    try:
        decoded = ExportMetricsServiceRequest.FromString(request)
    except DecodeError as problem:
        raise NotARequestError(f"not an ExportMetricsServiceRequest: {problem}") from problem
    resources = [_attributes(of_resource.resource.attributes) for of_resource in decoded.resource_metrics]
    last = resources[-1] if resources else {}
    points: list[dict[str, Any]] = []
    for resource, of_resource in zip(resources, decoded.resource_metrics, strict=True):
        own = {} if resource == last else {"resource": resource}
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                points.extend({**point, **own} for point in _points(metric))
    return last, points


def _points(metric: Metric) -> Iterator[dict[str, Any]]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    told = _told(metric, kind)
    for point in getattr(metric, kind).data_points:
        line: dict[str, Any] = {
            "metric": metric.name,
            "kind": kind,
            "value": None,
            "time_unix_nano": point.time_unix_nano,
            "start_time_unix_nano": point.start_time_unix_nano,
            "attributes": _attributes(point.attributes),
            **told,
        }
        if point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            line["no_recorded_value"] = True
        elif kind in {"gauge", "sum"}:
            held = point.WhichOneof("value")
            line["value"] = getattr(point, held) if held else None
        else:  # histograms and summaries
            line["value"] = point.sum
            line["count"] = point.count
            if kind == "histogram":
                line["bounds"] = list(point.explicit_bounds)
                line["buckets"] = list(point.bucket_counts)
        yield line


def _told(metric: Metric, kind: str) -> dict[str, Any]:
    """What a metric says of all its points."""
    told: dict[str, Any] = {"unit": metric.unit}
    if kind in {"sum", "histogram", "exponential_histogram"}:
        name = AggregationTemporality.Name(getattr(metric, kind).aggregation_temporality)
        told["temporality"] = name.removeprefix("AGGREGATION_TEMPORALITY_").lower()
    if kind == "sum":
        told["monotonic"] = metric.sum.is_monotonic
    return told


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> str | int | float | bool:
    held = value.WhichOneof("value")
    if held in {"string_value", "bool_value", "int_value", "double_value"}:
        plain: str | int | float | bool = getattr(value, held)
        return plain
    return str(value).strip()  # lists and maps: as text; none of ours has them

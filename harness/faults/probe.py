"""One Export call of the harness's own, to see how the sink answers; it is answered and not written down."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from harness.faults.contract import Answers
from harness.observers.decisions import UPDATE_METRIC
from harness.observers.sink import PROBE

_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
QUICK_SECONDS = 5.0
"""An answer that takes longer on loopback is none."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a probe."""

    status: str
    seconds: float
    """How long the answer took."""
    trailers: Mapping[str, bytes | str]
    rejected_points: int = 0


def export(answers: Answers, *metrics: str, time_unix_nano: int = 0, within: float = QUICK_SECONDS) -> Heard:
    """Make one call with a point of each of these metrics; without any it is an empty, valid request.

    Args:
        answers: where the sink is.
        metrics: names; none stands for one point of the loss where a time is given.
        time_unix_nano: when the points say that they were collected.
        within: seconds until the call is given up with DEADLINE_EXCEEDED.
    """
    request = ExportMetricsServiceRequest()
    for name in metrics or ((UPDATE_METRIC,) if time_unix_nano else ()):
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
        metric.gauge.data_points.add(time_unix_nano=time_unix_nano, as_double=0.0)
    with grpc.insecure_channel(f"{answers.host}:{answers.port}") as channel:
        call = channel.unary_unary(_EXPORT, None, None)  # bytes in, bytes out
        began = time.monotonic()
        try:
            body, done = call.with_call(
                request.SerializeToString(), timeout=within, metadata=((PROBE, "1"),), wait_for_ready=True
            )
        except grpc.RpcError as problem:
            seconds = time.monotonic() - began
            return Heard(problem.code().name, seconds, _trailers(problem.trailing_metadata()))
        seconds = time.monotonic() - began
        partial = ExportMetricsServiceResponse.FromString(body).partial_success
        return Heard("OK", seconds, _trailers(done.trailing_metadata()), partial.rejected_data_points)


def _trailers(found: Iterable[Any] | None) -> dict[str, bytes | str]:
    return dict(found or ())

"""One Export call of the harness's own, to see how the sink answers; it is answered and not written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from harness.observers.decisions import UPDATE_METRIC
from harness.observers.sink import PROBE
from harness.waiting import Patience

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


class Address(Protocol):
    """Where a call goes."""

    host: str
    port: int


def export(
    answers: Address,
    *metrics: str,
    time_unix_nano: int = 0,
    within: float = QUICK_SECONDS,
    patience: Patience | None = None,
) -> Heard:
    """Make one call with a point of each of these metrics; without any it is an empty, valid request.

    Args:
        answers: where the sink is, or what stands before it.
        metrics: names; none stands for one point of the loss where a time is given.
        time_unix_nano: when the points say that they were collected.
        within: seconds until the call is given up with DEADLINE_EXCEEDED.
        patience: for the wait; None: nothing interrupts it, as in a heal.

    Raises:
        InterruptedRunError: the run was told to end meanwhile.
    """
    request = ExportMetricsServiceRequest()
    for name in metrics or ((UPDATE_METRIC,) if time_unix_nano else ()):
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
        metric.gauge.data_points.add(time_unix_nano=time_unix_nano, as_double=0.0)
    with grpc.insecure_channel(f"{answers.host}:{answers.port}") as channel:
        call = channel.unary_unary(_EXPORT, None, None)  # bytes in, bytes out
        began = time.monotonic()
        future: Any = call.future(
            request.SerializeToString(), timeout=within, metadata=((PROBE, "1"),), wait_for_ready=True
        )
        try:
            # Longer than the call can take: its own deadline ends it.
            (patience or Patience(threading.Event())).until(
                future.done, within=2 * within + QUICK_SECONDS, what="the end of a call", every=0.005
            )
        finally:
            future.cancel()
        seconds = time.monotonic() - began
        trailers = _trailers(future.trailing_metadata())
        if (status := future.code()) is not grpc.StatusCode.OK:
            return Heard(status.name, seconds, trailers)
        partial = ExportMetricsServiceResponse.FromString(future.result()).partial_success
        return Heard("OK", seconds, trailers, partial.rejected_data_points)


def _trailers(found: Iterable[Any] | None) -> dict[str, bytes | str]:
    return dict(found or ())

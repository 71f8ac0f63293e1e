"""A bridge that, once the file could not be read, sends gauges alone for ever after."""

from __future__ import annotations

import sys

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge.__main__ import main
from bridge.errors import MetricsFileError
from bridge.instruments import Instruments
from bridge.metrics_file import MetricsFile, Reading

look = MetricsFile.read
collect_all = Instruments.collect
missed: list[MetricsFileError] = []


def read(self: MetricsFile) -> Reading:
    """Keep in mind that it failed."""
    try:
        return look(self)
    except MetricsFileError as problem:
        missed[:] = [problem]
        raise


def collect(self: Instruments, time_unix_nano: int, *, gauges_live: bool = True) -> bytes | None:
    """Leave out what is no gauge."""
    encoded = collect_all(self, time_unix_nano, gauges_live=gauges_live)
    if encoded is None or not missed:
        return encoded
    request = ExportMetricsServiceRequest.FromString(encoded)
    scope = request.resource_metrics[0].scope_metrics[0]
    gauges = [metric for metric in scope.metrics if metric.HasField("gauge")]
    del scope.metrics[:]
    scope.metrics.extend(gauges)
    left: bytes = request.SerializeToString()
    return left


if __name__ == "__main__":
    MetricsFile.read = read  # type: ignore[method-assign]  # the defect
    Instruments.collect = collect  # type: ignore[method-assign]  # the defect
    sys.exit(main())

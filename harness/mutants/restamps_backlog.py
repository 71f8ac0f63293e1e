"""A bridge whose points carry the time at which they were sent, so that a replayed backlog stands in the wrong hour."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge import otlp
from bridge.__main__ import main
from bridge.instruments import points_of
from bridge.otlp import Outcome
from bridge.transports import Patience, Transport

send = otlp.export


def export(transport: Transport, bodies: Sequence[bytes], patience: Patience) -> Outcome:
    """Send with the time of now."""
    request = ExportMetricsServiceRequest.FromString(b"".join(bodies))
    for of_resource in request.resource_metrics:
        for metric in of_resource.scope_metrics[0].metrics:
            for point in points_of(metric):
                point.time_unix_nano = time.time_ns()
    return send(transport, [request.SerializeToString()], patience)


if __name__ == "__main__":
    otlp.export = export  # the defect
    sys.exit(main())

"""The least that can be called a bridge: a gauge a reading over grpcio. A stand-in, and a foreign contestant.

STAND_IN makes it misbehave: ``exits`` (code 7 at once), ``silent`` (sends nothing), ``deaf`` (ignores SIGTERM),
``mortal`` (ends with code 9 after its tenth reading).
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def request(loss: float) -> bytes:
    built = ExportMetricsServiceRequest()
    resource_metrics = built.resource_metrics.add()
    name = resource_metrics.resource.attributes.add(key="service.name")
    name.value.string_value = os.environ["OTEL_SERVICE_NAME"]
    metric = resource_metrics.scope_metrics.add().metrics.add(name="ml.training.loss")
    metric.gauge.data_points.add(time_unix_nano=time.time_ns(), as_double=loss)
    return built.SerializeToString()


def main() -> int:
    nature = os.environ.get("STAND_IN", "")
    over = threading.Event()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if nature == "deaf" else lambda *_: over.set())
    say("environment", *sorted(os.environ))
    if nature == "exits":
        say("no such luck")
        return 7
    channel = grpc.insecure_channel(
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://"),
        options=[("grpc.max_reconnect_backoff_ms", 500), ("grpc.min_reconnect_backoff_ms", 100)],
    )
    export = channel.unary_unary(EXPORT)
    path, interval = Path(os.environ["METRICS_FILE_PATH"]), float(os.environ["COLLECTION_INTERVAL"])
    readings = 0
    last = False
    while not last:
        last = over.wait(interval)
        try:
            loss = json.loads(path.read_bytes())["training_metrics"]["training_loss"]
            if nature != "silent":
                export(request(loss), timeout=0.5)
        except (OSError, ValueError, KeyError, grpc.RpcError) as problem:
            say(type(problem).__name__)
        readings += 1
        if nature == "mortal" and readings == 10:
            return 9
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What most people would write: the SDK's periodic reader and its stock OTLP/gRPC exporter around a polling loop.

It stands here to be judged by the same scenarios as the bridge, and is written as one would write it in good faith:
errors of the file are caught and logged, instruments are the SDK's own, the provider is shut down on SIGTERM.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from benchmarks.contestants.fields import COUNTERS, GAUGES, HISTOGRAMS

log = logging.getLogger("sdk-bridge")


class Bridge:
    """Instruments, and the last counts so that counters can be fed with differences."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("sdk-bridge")
        self._gauges = {field: meter.create_gauge(name) for field, name in GAUGES.items()}
        self._counters = {field: meter.create_counter(name) for field, name in COUNTERS.items()}
        self._histograms = {field: meter.create_histogram(name, unit) for field, (name, unit) in HISTOGRAMS.items()}
        self._counts = dict.fromkeys(COUNTERS, 0)

    def read(self, path: Path) -> None:
        """Read the file and feed the instruments; what is wrong with the file is logged."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            log.debug("no metrics file at %s", path)
            return
        except (OSError, ValueError) as error:
            log.error("cannot read %s: %s", path, error)  # noqa: TRY400 - the reason is enough
            return
        metadata = document.get("job_metadata", {})
        attributes = {
            "job.id": metadata.get("job_id", ""),
            "model.name": metadata.get("model_name", ""),
            "dataset": metadata.get("dataset", ""),
        }
        metrics = document.get("training_metrics", {})
        for field, gauge in self._gauges.items():
            if field in metrics:
                gauge.set(metrics[field], attributes)
        for field, counter in self._counters.items():
            if field in metrics:
                counter.add(max(0, metrics[field] - self._counts[field]), attributes)
                self._counts[field] = metrics[field]
        for field, histogram in self._histograms.items():
            if field in metrics:
                histogram.record(metrics[field], attributes)


def main() -> None:
    """Poll until SIGTERM or SIGINT."""
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"))
    interval_seconds = float(os.environ.get("COLLECTION_INTERVAL", "10"))
    path = Path(os.environ.get("METRICS_FILE_PATH", "/shared/metrics/current.json"))
    exporter = OTLPMetricExporter(endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], insecure=True)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=interval_seconds * 1000)
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "sdk-bridge")})
    provider = MeterProvider([reader], resource)
    bridge = Bridge(provider)
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not ended.wait(interval_seconds):
        bridge.read(path)
    provider.shutdown()


if __name__ == "__main__":
    main()

"""The floor: the SDK's instruments, one encoded request and one gRPC call over h2 each interval, and nothing else.

No file, no queue, no retry, no shutdown: what remains is the cost of the libraries. The bridge's memory and CPU are
quoted as ratios to this loop, measured in the same run.
"""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import urlsplit

import h2.connection
import h2.events
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
GAUGES = (
    "ml.training.loss",
    "ml.validation.loss",
    "ml.training.accuracy",
    "ml.training.learning_rate",
    "ml.training.gpu_utilization",
)
COUNTERS = ("ml.training.batch_number", "ml.training.epoch")
HISTOGRAMS = ("ml.training.processing_time", "ml.training.samples_per_second")


class Connection(h2.connection.H2Connection):
    """Forgets closed streams; h2 by default remembers 65 536 of them."""

    MAX_CLOSED_STREAMS = 16


class Channel:
    """One HTTP/2 connection that makes one unary call after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http2 = Connection()
        self._http2.initiate_connection()
        self._headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", EXPORT),
            (":authority", f"{host}:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]

    def call(self, message: bytes) -> None:
        """Send one message and wait for the end of the answer."""
        stream = self._http2.get_next_available_stream_id()
        self._http2.send_headers(stream, self._headers)
        self._http2.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        self._socket.sendall(self._http2.data_to_send())
        ended = False
        while not ended:
            for event in self._http2.receive_data(self._socket.recv(65_536)):
                if isinstance(event, h2.events.DataReceived):
                    self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                ended = ended or isinstance(event, h2.events.StreamEnded)
            self._socket.sendall(self._http2.data_to_send())


def main() -> None:
    """Tick until the process is ended."""
    target = urlsplit(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    interval_seconds = float(os.environ.get("COLLECTION_INTERVAL", "10"))
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], Resource({"service.name": "bare-loop"}), shutdown_on_exit=False).get_meter(
        "bare-loop"
    )
    gauges = [meter.create_gauge(name) for name in GAUGES]
    counters = [meter.create_counter(name) for name in COUNTERS]
    histograms = [meter.create_histogram(name) for name in HISTOGRAMS]
    channel = Channel(target.hostname or "127.0.0.1", target.port or 4317)
    attributes = {"job.id": "bare", "model.name": "bare", "dataset": "bare"}
    due = time.monotonic()
    tick = 0
    while True:
        tick += 1
        for gauge in gauges:
            gauge.set(1.0 / tick, attributes)
        for counter in counters:
            counter.add(1, attributes)
        for histogram in histograms:
            histogram.record(245.0, attributes)
        collected = reader.get_metrics_data()
        if collected is not None:
            channel.call(encode_metrics(collected).SerializeToString())
        due += interval_seconds
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()

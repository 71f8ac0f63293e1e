"""The bridge's own rooms with a full day of requests waiting, and then delivered: what that takes of memory.

``python -m benchmarks.full_queue ENDPOINT FILE [REQUESTS]`` in the environment that is to be measured; it prints one
JSON object. Nothing is sent before all requests wait, as in an outage; then they all go to the endpoint.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bridge import logs, wiring
from bridge.metrics_file import Identity, Reading
from bridge.settings import Settings
from bridge.snapshot import parse

DAY_REQUESTS = 8640
"""24 hours at an interval of 10 s."""
INTERVAL_NANOSECONDS = 10 * 10**9
DELIVERED_WITHIN_SECONDS = 60.0
_MIB = 1024 * 1024


def documents(count: int) -> Iterator[bytes]:
    """What a real job writes: long names, and numbers with all their digits."""
    draw = random.Random(8640)  # noqa: S311 - the same documents each time
    for number in range(count):
        told = {
            "timestamp": "2024-10-22T10:30:00.250000+00:00",
            "job_metadata": {
                "job_id": "training-job-7f3d9a52-6c1e-4b8e",
                "model_name": "resnet-50-v2-large-batch",
                "dataset": "imagenet-2012-augmented",
                "start_time": "2024-10-22T10:00:00Z",
            },
            "training_metrics": {
                "epoch": 1 + number // 500,
                "batch_number": 1 + number % 500,
                "training_loss": 2.0 / (1 + number / 900) + draw.random() / 50,
                "validation_loss": 2.2 / (1 + number / 900) + draw.random() / 50,
                "accuracy": 0.5 + draw.random() / 2,
                "learning_rate": 0.001 * draw.random(),
                "gpu_utilization": draw.random(),
                "processing_time_ms": 200 + 100 * draw.random(),
                "samples_per_second": 150 + 20 * draw.random(),
            },
        }
        yield json.dumps(told, indent=2).encode()


def status_mib(name: str) -> float:
    """VmRSS or VmHWM of this process."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def main(arguments: list[str]) -> int:
    """Fill the queue, look, deliver, look again."""
    count = int(arguments[2]) if len(arguments) > 2 else DAY_REQUESTS  # noqa: PLR2004 - the third one
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": arguments[0], "METRICS_FILE_PATH": arguments[1]}
    if count > DAY_REQUESTS:  # more than the defaults hold
        given |= {"BRIDGE_QUEUE_COUNT_MAX": str(count), "BRIDGE_QUEUE_SIZE_MAX": str(1024 * count)}
    settings = Settings.from_mapping(given)
    logs.set_up("ERROR")
    sender = wiring.make_sender(settings)
    loop = wiring.make_loop(settings, sender)
    bulletin = wiring.make_bulletin(settings, loop, sender, None)
    instruments = wiring.make_instruments(settings)
    time_unix_nano = time.time_ns()
    sizes: set[int] = set()
    rss_empty_mib = 0.0
    for number, document in enumerate(documents(count)):
        now = time_unix_nano + number * INTERVAL_NANOSECONDS
        instruments.record(parse(Reading(document, Identity(1, number, now), number * 10.0, now)), appeared=True)
        encoded = instruments.collect(now)
        if encoded is not None:
            if not sizes:  # all is loaded and warm, and nothing waits yet
                rss_empty_mib = status_mib("VmRSS")
            sizes.add(len(encoded))
            sender.put(encoded)
    waiting, rss_full_mib = sender.stats(), status_mib("VmRSS")
    began = time.monotonic()
    sender.start(bulletin)
    until = time.monotonic() + DELIVERED_WITHIN_SECONDS
    while sender.stats().delivered < waiting.queue_count and time.monotonic() < until:
        time.sleep(0.05)
    took_seconds = time.monotonic() - began
    ended = sender.stop(1.0)
    told = {
        "queued": waiting.queue_count,
        "dropped": waiting.lost,
        "queue_mib": round(waiting.queue_bytes / _MIB, 2),
        "rss_empty_mib": round(rss_empty_mib, 2),
        "rss_full_mib": round(rss_full_mib, 2),
        "delivered": ended.delivered,
        "delivered_within_seconds": round(took_seconds, 3),
        "peak_mib": round(status_mib("VmHWM"), 2),
        "request_bytes_min": min(sizes),
        "request_bytes_max": max(sizes),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

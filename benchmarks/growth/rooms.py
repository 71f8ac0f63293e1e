"""Curves of the bridge's own rooms, in this process: CPU time of one thread, and bytes. Neighbours cost little."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.growth.fit import Growth, Point
from bridge.delivery import Bounds, Delivery, Done, Send
from bridge.instruments import Instruments
from bridge.mapping import DEFAULT, Mapping, MetricRule
from bridge.metrics_file import Identity, MetricsFile, Reading
from bridge.otlp import Delivered
from bridge.packing import Packing, unpack
from bridge.snapshot import parse

FLAT, LINEAR = 0.15, 1.15
REPEATS = 7
FIELDS = (9, 30, 100, 300, 1000)
FILE_BYTES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000)
FILE_BYTES_MAX = 1_048_576
DEPTHS = (86, 864, 8_640, 86_400)
"""Requests: 8640 are 24 h at 10 s, and ten times as many."""
PAST_JOBS = (1, 10, 100, 1000)
START_UNIX_NANO = 1_800_000_000_000_000_000
SECOND_NANO = 1_000_000_000
SOURCE = "in one process, CPU time of one thread"


def microseconds(turn: Callable[[], object], times: int) -> float:
    """CPU time of one turn."""
    began = time.thread_time_ns()
    for _ in range(times):
        turn()
    return (time.thread_time_ns() - began) / times / 1000


def document(fields: int = 9, *, job_id: str = "growth", padding: int = 0, number: int = 0) -> bytes:
    """A metrics file with so many numbers, and so many bytes that nobody asked for."""
    training = {f"field_{index}": 0.5 + number + index for index in range(fields)}
    told = {
        "timestamp": "2024-10-22T10:30:00Z",
        "job_metadata": {"job_id": job_id, "model_name": "m", "dataset": "d", "start_time": "2024-10-22T10:00:00Z"},
        "training_metrics": training,
        "notes": "x" * padding,
    }
    return json.dumps(told).encode()


def table_of(fields: int) -> Mapping:
    """A mapping with so many gauges; a mapping file has at most 200 metrics, so it is made here."""
    rules = tuple(
        MetricRule(("training_metrics", f"field_{index}"), f"ml.field_{index}", "gauge", "", "One of many")
        for index in range(fields)
    )
    return DEFAULT._replace(metrics=rules)


def reading(data: bytes, number: int) -> Reading:
    """What the metrics file's room would have given."""
    return Reading(data, Identity(1, number, number), float(number), START_UNIX_NANO + number * SECOND_NANO)


def ticks(table: Mapping, documents: list[bytes]) -> tuple[Callable[[], bytes | None], Instruments]:
    """One tick after the other: parse, record, collect, encode."""
    instruments = Instruments({"service.name": "growth"}, START_UNIX_NANO, table)
    turn = iter(range(10**9))

    def tick() -> bytes | None:
        number = next(turn)
        instruments.record(parse(reading(documents[number % len(documents)], number), table), appeared=number == 0)
        return instruments.collect(START_UNIX_NANO + number * SECOND_NANO)

    return tick, instruments


def by_fields() -> Iterator[Growth]:
    """Fields of the file, each a metric."""
    cpu, size = [], []
    for fields in FIELDS:
        tick, _ = ticks(table_of(fields), [document(fields, number=number) for number in range(8)])
        encoded = tick() or b""
        values = tuple(microseconds(tick, max(4, 2000 // fields)) for _ in range(REPEATS))
        cpu.append(Point(fields, values))
        size.append(Point(fields, (float(len(encoded)),)))
    yield Growth("CPU of a tick by fields", "fields", "us", tuple(cpu), LINEAR, source=SOURCE)
    yield Growth("request by fields", "fields", "B", tuple(size), LINEAR, source=SOURCE)


def by_file_size() -> Iterator[Growth]:
    """A file with more in it than anybody asked for: read and parsed."""
    points = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "current.json"
        for size in FILE_BYTES:
            path.write_bytes(document(9, padding=size - len(document(9))))
            file = MetricsFile(path, FILE_BYTES_MAX, monotonic=time.monotonic, time_ns=time.time_ns)
            table = table_of(9)
            turn = partial(_read_and_parse, file, table)
            values = tuple(microseconds(turn, 20) for _ in range(REPEATS))
            points.append(Point(size, values))
    yield Growth("CPU of reading and parsing by file size", "B", "us", tuple(points), LINEAR, source=SOURCE)


def _read_and_parse(file: MetricsFile, table: Mapping) -> None:
    parse(file.read(), table)


def by_queue_depth() -> Iterator[Growth]:
    """What waits: the cost of one more, the memory of all, and the cost of each when they are delivered."""
    put, size, replay = [], [], []
    tick, _ = ticks(table_of(9), [document(9, number=number) for number in range(64)])
    requests = [tick() or b"" for _ in range(512)]
    for depth in DEPTHS:
        packing = Packing()
        delivery = Delivery(Bounds(count=depth + 1000, bytes=2**34), random.Random(1))  # noqa: S311 - jitter is no secret
        for number in range(depth):
            delivery.put(packing.pack(number, requests[number % 512]), 0.0)
        size.append(Point(depth, (delivery.stats().queue_bytes / 1024,)))
        put.append(Point(depth, tuple(put_microseconds(delivery, packing, requests) for _ in range(REPEATS))))
        replay.append(Point(depth, (replay_microseconds(delivery),)))
    yield Growth("CPU of a put by what waits", "requests waiting", "us", tuple(put), FLAT, source=SOURCE)
    yield Growth("memory of the queue by what waits", "requests waiting", "KiB", tuple(size), LINEAR, source=SOURCE)
    yield Growth("CPU of each replayed request", "requests waiting", "us", tuple(replay), FLAT, source=SOURCE)


def put_microseconds(delivery: Delivery, packing: Packing, requests: list[bytes]) -> float:
    """CPU time of one more put, compressed as in an outage."""
    numbers = iter(range(DEPTHS[-1] + 1, 2 * DEPTHS[-1]))

    def put() -> None:
        number = next(numbers)
        delivery.put(packing.pack(number, requests[number % len(requests)]), 0.0)

    return microseconds(put, 50)


def replay_microseconds(delivery: Delivery) -> float:
    """CPU time for each request that waits, until a collector that takes everything at once has them all."""
    count = delivery.stats().queue_count
    delivery.stop(0.0, 1e9)

    def deliver() -> None:
        while not isinstance(step := delivery.next_step(0.0), Done):
            if isinstance(step, Send):
                b"".join(unpack(request) for request in step.requests)
                delivery.outcome(Delivered(0, ""), 0.0)

    return microseconds(deliver, 1) / count


def by_past_jobs() -> Iterator[Growth]:
    """Jobs that wrote the same file before: none of them may cost anything any more."""
    cpu, size = [], []
    for jobs in PAST_JOBS:
        table = table_of(9)
        tick, instruments = ticks(table, [document(9, job_id="last", number=number) for number in range(8)])
        for number in range(jobs):
            one = parse(reading(document(9, job_id=f"job-{number}"), number), table)
            instruments.record(one, appeared=True)
            instruments.collect(START_UNIX_NANO + number)
        tick()
        encoded = tick() or b""
        cpu.append(Point(jobs, tuple(microseconds(tick, 200) for _ in range(REPEATS))))
        size.append(Point(jobs, (float(len(encoded)),)))
    yield Growth("CPU of a tick by past jobs", "jobs before", "us", tuple(cpu), FLAT, source=SOURCE)
    yield Growth("request by past jobs", "jobs before", "B", tuple(size), FLAT, source=SOURCE)


ROOMS: tuple[Callable[[], Iterator[Growth]], ...] = (by_fields, by_file_size, by_queue_depth, by_past_jobs)

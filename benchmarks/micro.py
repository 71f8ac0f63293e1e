"""Micro benchmarks of the bridge's rooms, for pytest-benchmark: ``pytest benchmarks/micro.py --benchmark-json=FILE``.

`nox -s bench` runs them and keeps the figures; the report compares the least of each with that of the last release.
Each also holds that its turn does what it is timed for.
"""

from __future__ import annotations

import random
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from benchmarks.full_queue import documents
from benchmarks.growth.rooms import START_UNIX_NANO, reading
from bridge.delivery import Bounds, Delivery, Done, Send
from bridge.instruments import Instruments
from bridge.mapping import DEFAULT
from bridge.metrics_file import MetricsFile
from bridge.otlp import Delivered
from bridge.packing import Packing, unpack
from bridge.snapshot import parse
from bridge.spool import Spool
from bridge.spool_folder import SpoolFolder

Benchmark = Any
"""pytest-benchmark's fixture; it ships no types."""
DOCUMENTS = tuple(documents(64))
BACKLOG = 100
SPOOL_BYTES_MAX = 16 * 1024 * 1024


def instruments() -> Instruments:
    return Instruments({"service.name": "micro"}, START_UNIX_NANO, DEFAULT)


def encoded(number: int = 64) -> list[bytes]:
    made = instruments()
    requests = []
    for index in range(number):
        made.record(parse(reading(DOCUMENTS[index % 64], index), DEFAULT), appeared=index == 0)
        requests.append(made.collect(START_UNIX_NANO + index) or b"")
    return requests


def test_read(benchmark: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "current.json"
    path.write_bytes(DOCUMENTS[0])
    file = MetricsFile(path, 1_048_576, monotonic=time.monotonic, time_ns=time.time_ns)
    assert benchmark(file.read).data == DOCUMENTS[0]


def test_parse(benchmark: Benchmark) -> None:
    one = reading(DOCUMENTS[0], 1)
    assert len(benchmark(parse, one, DEFAULT).values) == len(DEFAULT.metrics)


def test_record(benchmark: Benchmark) -> None:
    made, snapshot = instruments(), parse(reading(DOCUMENTS[0], 1), DEFAULT)
    benchmark(made.record, snapshot, appeared=False)
    assert made.collect(START_UNIX_NANO)


def test_encode(benchmark: Benchmark) -> None:
    made = instruments()
    made.record(parse(reading(DOCUMENTS[0], 1), DEFAULT), appeared=True)
    assert benchmark(made.collect, START_UNIX_NANO)


@pytest.mark.parametrize("form", ["wrap", "pack"])
def test_put(benchmark: Benchmark, form: str) -> None:
    requests, packing, numbers = encoded(), Packing(), count(1)
    delivery = Delivery(Bounds(), random.Random(1))  # noqa: S311 - jitter is no secret
    make = getattr(packing, form)

    def put() -> None:
        number = next(numbers)
        delivery.put(make(number, requests[number % 64]), 0.0)

    benchmark(put)
    assert delivery.stats().put


def test_replay_of_a_hundred(benchmark: Benchmark) -> None:
    requests = encoded()

    def waiting() -> tuple[tuple[Delivery], dict[str, Any]]:
        packing, delivery = Packing(), Delivery(Bounds(), random.Random(1))  # noqa: S311 - as above
        for number in range(BACKLOG):
            delivery.put(packing.pack(number, requests[number % 64]), 0.0)
        delivery.stop(0.0, 1e9)
        return (delivery,), {}

    def replay(delivery: Delivery) -> int:
        while not isinstance(step := delivery.next_step(0.0), Done):
            if isinstance(step, Send):
                b"".join(unpack(request) for request in step.requests)
                delivery.outcome(Delivered(0, ""), 0.0)
        return delivery.stats().delivered

    assert benchmark.pedantic(replay, setup=waiting, rounds=50) == BACKLOG


def test_spool_of_a_hundred(benchmark: Benchmark, tmp_path: Path) -> None:
    packing = Packing()
    requests = [packing.pack(number, one) for number, one in enumerate(encoded(BACKLOG), start=1)]
    folders = count()

    def empty() -> tuple[tuple[Spool], dict[str, Any]]:
        spool = Spool(SpoolFolder(tmp_path / str(next(folders))), SPOOL_BYTES_MAX)
        spool.open()
        return (spool,), {}

    def write(spool: Spool) -> int:
        spool.write(requests)
        kept = len(spool.kept())
        spool.close()
        return kept

    assert benchmark.pedantic(write, setup=empty, rounds=50) == BACKLOG

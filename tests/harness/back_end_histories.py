"""Answers of Prometheus made by hand: a good one, from which each test makes the bad one it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.checks.back_end import BATCHES, DOCUMENTED, EPOCHS, GAUGES, HISTOGRAMS
from harness.checks.back_end_buckets import UPPER_BOUNDS
from harness.record import BackEndSeries, Ledger, RunRecord, Write
from tests.harness.histories import good, write

PER_EPOCH = 3


def written(number: int) -> Write:
    """The ninth of these is the last; the batch number starts over with each epoch."""
    epoch, batch = divmod(number - 1, PER_EPOCH)
    more = {"epoch": epoch + 1, "batch_number": batch + 1, "processing_time_ms": 200.5 + number}
    return write(number, 0.5 + 2 * (number - 1), **more, samples_per_second=0.1 * number)


WRITES = tuple(written(number) for number in range(1, 10))


def held_at(index: int) -> dict[str, float]:
    """All that is held of the moment at which a write was the newest one."""
    now, seen = WRITES[index], WRITES[: index + 1]
    sums = {f"{name}_sum": sum(one.values[field] for one in seen) for name, field in HISTOGRAMS.items()}
    return {
        **{name: now.values[field] for name, field in GAUGES.items()},
        **sums,
        **{f"{name}_count": float(len(seen)) for name in HISTOGRAMS},
        BATCHES: float(len(seen)),
        EPOCHS: float(now.values["epoch"]),
        **{
            bucket(name, bound): float(sum(one.values[HISTOGRAMS[name]] <= bound for one in seen))
            for name, bounds in UPPER_BOUNDS.items()
            for bound in bounds
        },
    }


def bucket(histogram: str, bound: float) -> str:
    """A bucket's name and label, as they stand in `held_at`."""
    return f"{histogram}_bucket le={bound:g}"


def answer(way: str, late: float, moments: Callable[[int], dict[str, float]] = held_at) -> list[BackEndSeries]:
    """Every series by one way, with one sample for each write, and the increase() of each counter."""
    labels = {"job": "bridge-under-test", **({"way": way} if way == "scrape" else {})}
    series = [
        BackEndSeries(
            "raw",
            {"__name__": name.split(" ")[0], **labels, **({"le": name.split("le=")[1]} if "le=" in name else {})},
            tuple(
                (WRITES[index].t + late, moments(index)[name]) for index in range(len(WRITES)) if name in moments(index)
            ),
        )
        for name in (*DOCUMENTED, *(name for name in held_at(0) if "le=" in name))
    ]
    counters = [one for one in series if one.name.endswith(("_total", "_count")) and one.samples]
    grown = [(one, one.samples[-1][1] - one.samples[0][1]) for one in counters]
    return [one for one in series if one.samples] + [
        BackEndSeries("increase", one.labels, ((one.samples[-1][0], grew * 1.015),)) for one, grew in grown
    ]


def asked(*series: BackEndSeries) -> RunRecord:
    """A good run, and what Prometheus holds of it: the ledger, or these series."""
    held = series or (*answer("scrape", 1.2), *answer("otlp", 0.5))
    return replace(good(), ledger=Ledger(WRITES, 2.0, (), 17.0, 0), back_end=held)

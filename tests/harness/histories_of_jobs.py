"""Records made by hand that hold all nine metrics, and the job by its name; each test makes the bad ones it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from harness.checks.arrivals import COUNTERS, GAUGES, HISTOGRAMS
from harness.checks.documented import UNITS
from harness.record import Export, JobProcess, Ledger, Point, RunRecord, Write
from harness.scenario import SERVICE_NAME
from tests.harness.histories import fault, good, scenario

START = 1
JOB = "a-job"
NEXT = "the-next-job"
MODEL, DATASET = "a-model", "a-dataset"
RESOURCE: dict[str, str | int | float | bool] = {"service.name": SERVICE_NAME, "service.instance.id": "pod"}


def values(number: int) -> dict[str, float | int]:
    """What the write of this number says; every number differs from those of its neighbours."""
    return {
        "epoch": 1,
        "batch_number": number,
        "training_loss": 1 / number,
        "validation_loss": 2 / number,
        "accuracy": number / 1000,
        "learning_rate": 0.001,
        "gpu_utilization": 0.9,
        "processing_time_ms": 200.0 + number,
        "samples_per_second": 100.0 + number,
    }


def writes(
    count: int = 9, *, of: Callable[[int], tuple[str, int, int]] = lambda number: (JOB, 1, number)
) -> list[Write]:
    """One each 2 s from 0.5 s on. ``of``: number -> job_id, process, and the number that its values spell."""
    found = []
    for number in range(1, count + 1):
        job_id, process, spelled = of(number)
        told = values(number) | {"batch_number": spelled}
        t = 0.5 + 2 * (number - 1)
        found.append(Write(number, t, t, "0" * 64, told, job_id, process))
    return found


def point(metric: str, kind: str, value: float | None, t: float, job_id: str = JOB, **more: int | bool) -> Point:
    told = {"job.id": job_id, "model.name": MODEL, "dataset": DATASET}
    facts: dict[str, Any] = {"unit": UNITS[metric], **more}
    if kind != "gauge":
        facts["temporality"] = "cumulative"
    if kind == "sum":
        facts["monotonic"] = True
    return Point(metric, kind, value, int(t * 1e9), START, told, **facts)


def tick(t: float, shown: Write, totals: dict[str, float], counts: dict[str, tuple[int, float]]) -> Export:
    """A call that shows a write, with these totals and histograms (count, sum)."""
    job_id = shown.job_id
    points = [point(m, "gauge", shown.values[f], t, job_id) for m, f in GAUGES.items() if f in shown.values]
    points += [point(metric, "sum", total, t, job_id) for metric, total in totals.items()]
    points += [point(metric, "histogram", total, t, job_id, count=n) for metric, (n, total) in counts.items()]
    return Export(t, "OK", 1000, RESOURCE, tuple(points))


def ends(t: float, metrics: Iterable[str], job_id: str = JOB) -> Export:
    """A call that ends series."""
    kinds = dict.fromkeys(GAUGES, "gauge") | dict.fromkeys(COUNTERS, "sum") | dict.fromkeys(HISTOGRAMS, "histogram")
    flagged = tuple(point(metric, kinds[metric], None, t, job_id, no_recorded_value=True) for metric in metrics)
    return Export(t, "OK", 100, RESOURCE, flagged)


def ticks(made: Iterable[Write]) -> tuple[Export, ...]:
    """One each second from 1 s to 18 s, each with the newest write, and totals as a faithful bridge has them."""
    made = list(made)
    found: list[Export] = []
    totals: dict[str, float] = {}
    counts: dict[str, tuple[int, float]] = {}
    before: Write | None = None
    for second in range(1, 19):
        now = [one for one in made if one.t <= second][-1]
        if before is not None and now.job_id != before.job_id:
            found.append(ends(second + 0.01, GAUGES | COUNTERS | HISTOGRAMS, before.job_id))
            before, totals, counts = None, {}, {}
        if before is None or now.sequence != before.sequence:
            for metric, name in COUNTERS.items():
                told = now.values.get(name, 0)
                same = before is not None and before.process == now.process
                grown = (
                    told - before.values.get(name, 0) if before is not None and same else told if before is None else 0
                )
                totals[metric] = totals.get(metric, 0) + max(0, grown)
            for metric, name in HISTOGRAMS.items():
                if name in now.values:
                    n, total = counts.get(metric, (0, 0.0))
                    counts[metric] = (n + 1, total + now.values[name])
        before = now
        found.append(tick(second + 0.02, now, totals, counts))
    return tuple(found)


def complete(made: Iterable[Write] | None = None) -> RunRecord:
    """A good run with all nine metrics at the sink."""
    made = tuple(made or writes())
    seen = {one.process: one.job_id for one in made}
    processes = tuple(
        JobProcess(number, 100 + number, job_id, 0.4, 17.0, MODEL, DATASET) for number, job_id in sorted(seen.items())
    )
    return replace(good(), ledger=Ledger(made, 2.0, (), 17.0, 0, processes), exports=ticks(made))


def restarted() -> RunRecord:
    """A run whose job came back at 10.5 s as a new process of the same name: its batches begin again."""
    return complete(writes(of=lambda number: (JOB, 1, number) if number < 6 else (JOB, 2, number - 5)))


def two_jobs() -> RunRecord:
    """A run whose job came back at 10.5 s under another name."""
    return complete(writes(of=lambda number: (JOB, 1, number) if number < 6 else (NEXT, 2, number - 5)))


def stale() -> RunRecord:
    """A run with a broken file from 6 s to 12 s, whose gauges ended at 10 s."""
    record = complete()
    kept = [one for one in record.exports if one.t < 10 or one.t > 12.5]
    faults = (fault(6.0, "inject"), fault(6.1, "verify"), fault(12.0, "heal"))
    return replace(
        record,
        scenario=scenario(
            timeline=[{"fault": "file-missing", "name": "outage", "for": "6s", "recovery": "5s"}]
        ).model_dump(mode="json", by_alias=True),
        events=(*record.events[:2], *faults, *record.events[2:]),
        exports=tuple(sorted([*kept, ends(10.0, GAUGES)], key=lambda one: one.t)),
    )

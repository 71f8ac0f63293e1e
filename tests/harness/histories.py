"""Records made by hand: a good run, from which each test makes the bad one it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

from harness.checks.arrivals import GAUGES
from harness.record import (
    Event,
    Export,
    Ledger,
    Meta,
    Phase,
    Point,
    RunRecord,
    Write,
)
from harness.samples import ResourceSample, WireSample
from harness.scenario import CheckSpec, Scenario

MIB = 1024 * 1024
RESOURCE: dict[str, str | int | float | bool] = {"service.name": "bridge-under-test", "service.instance.id": "pod"}


def scenario(**changes: object) -> Scenario:
    """A steady scenario of 16 s at an interval of 1 s and a write period of 2 s."""
    base = {
        "name": "by-hand",
        "what": "a run that was made by hand",
        "why": "to test the checks on it",
        "timeline": [{"steady": "16s"}],
        "checks": [{"check": "alive", "promise": "survives-bad-input"}],
    }
    return Scenario.model_validate_json(json.dumps({**base, **changes}))


def values(sequence: int) -> dict[str, float | int]:
    return {
        "epoch": 1,
        "training_loss": 1 / sequence,
        "validation_loss": 2 / sequence,
        "accuracy": 0.5,
        "learning_rate": 0.001,
        "gpu_utilization": 0.9,
    }


def write(sequence: int, t: float, **changed: float) -> Write:
    return Write(sequence, t, t, "0" * 64, {**values(sequence), **changed})


def export(t: float, shown: Iterable[Write], answered: str = "OK", ticks: Iterable[int] = ()) -> Export:
    """A call with one update for each write; each update has a time of its own."""
    shown = list(shown)
    times = list(ticks) or [int((t - len(shown) + 1 + index) * 1e9) for index in range(len(shown))]
    points = [
        Point(metric, "gauge", one.values[field], time, 0, {"job.id": "j"})
        for one, time in zip(shown, times, strict=True)
        for metric, field in GAUGES.items()
        if field in one.values
    ]
    return Export(t, answered, 1000, RESOURCE, tuple(points))


def process(t: float, action: str, **data: object) -> Event:
    return Event(t, "process", {"role": "bridge", "action": action, **data})


def fault(t: float, action: str, *, ok: bool = True, step: str = "outage", name: str = "collector-refused") -> Event:
    return Event(t, "fault", {"step": step, "fault": name, "action": action, "ok": ok, "evidence": "it was seen"})


WRITES = tuple(write(number, 0.5 + 2 * (number - 1)) for number in range(1, 10))  # the last at 16.5 s


def newest(t: float, writes: Iterable[Write] = WRITES) -> Write:
    return [one for one in writes if one.t <= t][-1]


def exports(shown: Callable[[float], Write] = newest) -> tuple[Export, ...]:
    """One each second from 1 s to 18 s, 20 ms after the tick, with the newest write."""
    return tuple(export(t + 0.02, [shown(t)]) for t in range(1, 19))


def samples(cpu_percent: float = 0.3, rss_mib: float = 25.0, peak_mib: float = 26.0) -> tuple[ResourceSample, ...]:
    return tuple(
        ResourceSample(
            t=number / 4,
            role="bridge",
            cpu_seconds=number / 4 * cpu_percent / 100,
            rss_bytes=int(rss_mib * MIB),
            peak_rss_bytes=int(peak_mib * MIB),
            threads=2,
            fds=8,
            processes=1,
        )
        for number in range(1, 73)
    )


def good(**changes: object) -> RunRecord:
    """A run in which everything went well."""
    record = RunRecord(
        meta=Meta(
            schema_version=1,
            run="by-hand-embedded",
            scenario="by-hand",
            rig="embedded",
            bridge_command=("python", "-m", "bridge"),
            seed=1,
            started_at="2026-01-01T00:00:00+00:00",
            origin=0.0,
            origin_unix_nano=0,
            versions={},
            machine={},
            complete=True,
            ended=19.0,
        ),
        scenario=scenario().model_dump(mode="json", by_alias=True),
        events=(
            process(0.1, "started", pid=10),
            process(1.0, "ready", pid=10),
            process(18.0, "signalled", pid=10, signal="SIGTERM"),
            process(18.2, "exited", pid=10, exit_code=0),
        ),
        phases=(
            Phase("warm-up", "warm-up", 1.0, 2.0),
            Phase("steady-1", "steady", 2.0, 17.9),
            Phase("drain", "drain", 17.9, 19.0),
        ),
        ledger=Ledger(WRITES, 2.0, (), 17.0, 0),
        exports=exports(),
        resources=samples(),
        wire=tuple(WireSample(t / 2, 1000 * t, 100 * t, 1) for t in range(2, 38)),
    )
    return replace(record, **changes)


def long(change: Callable[[int, ResourceSample], ResourceSample] = lambda _, one: one) -> RunRecord:
    """A good run of a minute and a half, with all figures in its samples: enough for growth by blocks."""
    one = replace(samples()[0], pss_bytes=24 * MIB, uss_bytes=23 * MIB, involuntary_switches=0)
    made = (replace(one, t=n / 4, cpu_seconds=n / 400, voluntary_switches=10 * n) for n in range(4, 360))
    writes = tuple(write(number, 0.5 + 2 * (number - 1)) for number in range(1, 45))
    return good(
        phases=(
            Phase("warm-up", "warm-up", 1.0, 2.0),
            Phase("steady-1", "steady", 2.0, 88.0),
            Phase("drain", "drain", 88.0, 90.0),
        ),
        ledger=Ledger(writes, 2.0, (), 87.0, 0),
        exports=tuple(export(t + 0.02, [newest(t, writes)]) for t in range(1, 89)),
        resources=tuple(change(int(sample.t * 4), sample) for sample in made),
    )


def outage() -> RunRecord:
    """A run with a collector that was away from 6 s to 12 s; what was read meanwhile arrives at 12.5 s in one call."""
    before = [one for one in exports() if one.t < 6]
    backlog = export(12.5, [newest(t) for t in range(6, 13)])
    after = [one for one in exports() if one.t > 13]
    record = good()
    return replace(
        record,
        scenario=scenario(
            timeline=[{"fault": "collector-refused", "name": "outage", "for": "6s", "recovery": "5s"}]
        ).model_dump(mode="json", by_alias=True),
        events=(
            *record.events[:2],
            fault(6.0, "inject"),
            fault(6.1, "verify"),
            fault(11.9, "verify"),
            fault(12.0, "heal"),
            *record.events[2:],
        ),
        phases=(
            Phase("warm-up", "warm-up", 1.0, 2.0),
            Phase("outage", "fault", 6.0, 12.0),
            Phase("outage-recovery", "recovery", 12.0, 17.9),
            Phase("drain", "drain", 17.9, 19.0),
        ),
        exports=(*before, backlog, *after),
    )


def overflow(lost: Iterable[int] = (5, 6), outage_writes: int = 12) -> RunRecord:
    """A run with a collector that was away from 6 s to 30 s, and a queue that was too short for that."""
    writes = tuple(write(number, 0.5 + 2 * (number - 1)) for number in range(1, outage_writes + 8))
    gone = {writes[number - 1].sequence for number in lost}
    record = outage()
    kept = [one for one in writes if one.sequence not in gone]
    return replace(
        record,
        events=tuple(replace(event, t=event.t + 18) if event.t >= 11.9 else event for event in record.events),
        phases=tuple(
            replace(phase, start=phase.start + 18 * (phase.start >= 12), end=phase.end + 18 * (phase.end >= 12))
            for phase in record.phases
        ),
        ledger=Ledger(writes, 2.0, (), 38.0, 0),
        exports=tuple(export(max(one.t + 0.5, 30.5) if one.t >= 5 else one.t + 0.5, [one]) for one in kept),
    )


def patient(again_after_seconds: float = 3.1) -> RunRecord:
    """A run in which the collector asked for 3 s of patience at 8.02 s."""
    before = [one for one in exports() if one.t < 8]
    asked = replace(export(8.02, [], answered="RESOURCE_EXHAUSTED"), retry_after_seconds=3.0)
    again = export(8.02 + again_after_seconds, [newest(8), newest(9), newest(10), newest(11)])
    after = [one for one in exports() if one.t > 12]
    return good(exports=(*before, asked, again, *after))


def logged(*lines: str) -> RunRecord:
    """A good run of a bridge that said these lines, or what a good one says."""
    return good(bridge_log=lines or ("reading /data/metrics.json", "drained, 0 requests left"))


def spec(check: str, promise: str, **more: object) -> CheckSpec:
    return CheckSpec.model_validate_json(json.dumps({"check": check, "promise": promise, **more}))

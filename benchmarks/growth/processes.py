"""Curves of whole bridges: their intervals, the job's write rate, outages of so many hours, and many ticks."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.contest import SCENARIOS, SEED
from benchmarks.cost import cpu_percent
from benchmarks.ending import beside
from benchmarks.footprint import ROOT, Bench
from benchmarks.growth.fit import Growth, Point
from benchmarks.growth.rooms import FLAT, LINEAR
from harness import load as offered
from harness.batch import Plan
from harness.catalogue import scenario_folder, select
from harness.record_folder import load
from harness.scenario import Scenario, SteadyStep
from harness.starter import Starter

INTERVALS_SECONDS = (10.0, 5.0, 1.0, 0.5, 0.1, 0.05)
WRITE_PERIODS_SECONDS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0005)
STEADY_SECONDS, SLOW_SECONDS = 15.0, 40.0
OFFERED_SHARE_MIN = 0.95
OUTAGE_REQUESTS = (60, 360, 2160, 8640, 25_920)
"""At 10 s: 10 min, 1 h, 6 h, 24 h, 3 days."""
SLOPE_KIB_MAX = 1.0
"""Of RSS, for each thousand ticks: a day at 10 s has 8640."""
SLOPE_BLOCKS_MAX = 10.0
"""Of Python's memory blocks, for each thousand ticks: an object that is kept in one tick of a hundred."""
ADDED_MIB_MIN = 0.1
"""Below it what an outage adds to RSS is not to be told from the heap's own steps."""
_WARM_SHARE = 1 / 3
"""Of 150 000 the first 50 000: until then RSS goes up by 0.2 MiB, and no further (measured over 200 000)."""


class NotMeasuredError(Exception):
    """What was to be measured was not carried out to its end, so that there is no figure."""


def by_interval(out: Path) -> Iterator[Growth]:
    """The bridge's own interval."""
    points = []
    for seconds in INTERVALS_SECONDS:
        one = adapted(
            f"interval-{seconds * 1000:.0f}ms", interval=seconds, period=max(1.0, seconds), steady=_long(seconds)
        )
        points += _point(1 / seconds, run(one, out))
    yield Growth(
        "CPU by ticks a second", "ticks/s", "% of one core", tuple(points), LINEAR, source=f"{out.name}/interval-*"
    )


def by_write_rate(out: Path) -> Iterator[Growth]:
    """How often the job writes, beside a bridge that reads once a second."""
    points = []
    for seconds in WRITE_PERIODS_SECONDS:
        name = f"write-{seconds * 1000:g}ms".replace(".", "-")
        one = adapted(name, interval=1.0, period=seconds, steady=_long(seconds))
        points += _point(1 / seconds, run(one, out))
    yield Growth(
        "CPU by writes a second", "writes/s", "% of one core", tuple(points), FLAT, source=f"{out.name}/write-*"
    )


def _long(seconds: float) -> float:
    return SLOW_SECONDS if seconds > 1 else STEADY_SECONDS


def _point(x: float, y: float | None) -> list[Point]:
    return [] if y is None else [Point(x, (y,))]


def adapted(name: str, *, interval: float, period: float, steady: float) -> Scenario:
    """The scenario of what a bridge costs, with another interval and write period."""
    cost = select([str(SCENARIOS / "cost.yaml")], profile=None, folder=scenario_folder())[0].scenario
    changed = {
        "name": name,
        "bridge": cost.bridge.model_copy(update={"interval": interval}),
        "job": cost.job.model_copy(update={"write_period": period}),
        "timeline": (SteadyStep.model_validate({"steady": f"{steady:g}s"}),),
        "warm_up": max(cost.warm_up, interval),
    }
    return cost.model_copy(update=changed)


def run(scenario: Scenario, out: Path) -> float | None:
    """Carry it out; gives its CPU, None where it was not run or its load not offered."""
    folder = out / scenario.name
    plan = Plan(scenario, "embedded", folder, SEED)
    command = [sys.executable, "-m", "bridge"]
    Starter().carry_out(plan, threading.Event(), lambda _: None, bridge_command=command, keep=False)
    record = load(folder)
    given = offered.of(record)
    if record.meta.error or given is None or given.share < OFFERED_SHARE_MIN:
        return None
    return cpu_percent(record)


def by_outage(bench: Bench) -> Iterator[Growth]:
    """Outages of so many requests at 10 s: what waits weighs, and is delivered to a real sink afterwards.

    Raises:
        NotMeasuredError: not all of one was delivered in time.
    """
    with void() as endpoint:
        told = {count: bench.full_queue(count, endpoint=endpoint) for count in OUTAGE_REQUESTS}
    if lost := [count for count, one in told.items() if one["delivered"] < one["queued"]]:
        raise NotMeasuredError(f"an outage of {lost[0]} requests was not delivered in time")

    def curve(name: str, figures: dict[int, float], unit: str) -> Growth:
        points = tuple(Point(count, (figure,)) for count, figure in figures.items())
        return Growth(name, "requests waiting", unit, points, LINEAR, source="benchmarks.full_queue")

    yield curve("RSS added by outage", added_mib(told), "MiB")
    took = {count: float(one["delivered_within_seconds"]) for count, one in told.items()}
    yield curve("time to deliver by outage", took, "s")


def added_mib(told: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """What so many waiting requests add to RSS; without those that add no more than noise."""
    added = {count: float(one["rss_full_mib"]) - float(one["rss_empty_mib"]) for count, one in told.items()}
    return {count: mib for count, mib in added.items() if mib >= ADDED_MIB_MIN}


def by_ticks(bench: Bench, count: int) -> tuple[list[Growth], dict[str, Any]]:
    """Ticks at full speed: RSS, blocks and the CPU of each in a hundred parts; the slope of what is kept, once warm."""
    lines = ticks(bench, count)
    parts, ended = lines[:-1], lines[-1]
    spent = [0.0, *(line["cpu_seconds"] for line in parts)]
    each = [1e6 * (after - before) / (count / 100) for before, after in pairwise(spent)]
    rss = tuple(Point(line["ticks"], (line["rss_mib"],)) for line in parts)
    blocks = tuple(Point(line["ticks"], (float(line["blocks"]),)) for line in parts)
    cpu = tuple(Point(line["ticks"], (one,)) for line, one in zip(parts, each, strict=True))
    source = "benchmarks.ticks"
    curves = [
        Growth("RSS by ticks", "ticks", "MiB", rss, FLAT, source=source),
        Growth("Python's memory blocks by ticks", "ticks", "blocks", blocks, FLAT, source=source),
        Growth("CPU of a tick by ticks before", "ticks", "us", cpu, FLAT, source=source),
    ]
    return curves, slope_of(parts) | {"put": ended["put"], "delivered": ended["delivered"]}


def slope_of(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the slopes of RSS (and how far it lies from the line) and of blocks over ticks, once warm."""
    late = parts[int(len(parts) * _WARM_SHARE) :]
    xs, ys = [line["ticks"] / 1000 for line in late], [1024 * line["kept_mib"] for line in late]
    line = statistics.linear_regression(xs, ys)
    noise = statistics.pstdev([y - line.slope * x - line.intercept for x, y in zip(xs, ys, strict=True)])
    blocks = statistics.linear_regression(xs, [line["blocks"] for line in late]).slope
    return {
        "slope_kib_per_1000_ticks": line.slope,
        "noise_kib": noise,
        "at_most": SLOPE_KIB_MAX,
        "blocks_per_1000_ticks": blocks,
        "blocks_at_most": SLOPE_BLOCKS_MAX,
        "ticks": late[-1]["ticks"] - parts[len(parts) - len(late) - 1]["ticks"],
        "verdict": "PASS" if line.slope <= SLOPE_KIB_MAX and blocks <= SLOPE_BLOCKS_MAX else "FAIL",
    }


def ticks(bench: Bench, count: int) -> list[dict[str, Any]]:
    """Run `benchmarks.ticks` in a process of its own.

    Raises:
        NotMeasuredError: not all of its requests were delivered, or it broke; with what it said.
    """
    with void() as endpoint:
        ended = subprocess.run(  # noqa: S603 - of this repository
            [bench.python, "-m", "benchmarks.ticks", endpoint, str(bench.folder / "ticks.json"), str(count)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            check=False,
            capture_output=True,
        )
    if ended.returncode:
        last = " ".join(ended.stderr.decode(errors="replace").splitlines()[-1:]) or "not all was delivered"
        raise NotMeasuredError(f"the ticks ended with code {ended.returncode}: {last}")
    return [json.loads(line) for line in ended.stdout.splitlines()]


@contextmanager
def void() -> Iterator[str]:
    """Run `benchmarks.void`; gives its endpoint."""
    with beside([sys.executable, "-m", "benchmarks.void"], cwd=ROOT) as process:
        port = (process.stdout.readline() if process.stdout else b"").decode().strip()
        if not port:
            raise NotMeasuredError("benchmarks.void did not start")
        yield f"http://127.0.0.1:{port}"


def of_processes(bench: Bench, out: Path) -> tuple[Callable[[], Iterator[Growth]], ...]:
    """The curves that need a sink or a harness."""
    return partial(by_outage, bench), partial(by_interval, out), partial(by_write_rate, out)

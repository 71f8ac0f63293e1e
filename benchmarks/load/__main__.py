"""How many sidecars a Collector carries, what a second and a third add, and what a thundering herd does.

    python -m benchmarks.load [--out runs/load] [--sidecars 100 300 1000 2000 3000 4000] [--ticks 4]
                              [--replicas 2 3] [--replica-sidecars 3000] [--killed-sidecars 1000]
                              [--herd 1000] [--herd-backlog 60]
    python -m benchmarks.load --judge runs/load

Real Collectors, scraped by a real Prometheus, and Locust in a process of its own, all on loopback. The steps go up
until one does not hold. Then, with several Collectors, one is killed in the middle and brought back; then so many
bridges replay a backlog at once. ``--judge`` reads the records of an earlier test again and runs nothing. Exit: 0 all
held up to the knee, 1 something was lost, 2 inconclusive, 4 it could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.arguments import count_or_none, emptied, positive_count
from benchmarks.ending import ended_in_order
from benchmarks.load.stack import SCRAPE_SECONDS, Stack
from benchmarks.load.step import Order, Row, as_dict, knee, row_of, table
from harness import provenance
from harness.observers.prometheus import PrometheusError
from harness.rigs.contract import RigError
from harness.started import ProcessError
from harness.waiting import WaitedTooLongError, wait_until

INTERVAL_SECONDS = 10.0
ENCODED_A_SECOND = 400
"""Requests that the generator encodes ahead, even on a busy machine: they stand before the first is due."""
STARTED_A_SECOND = 200
DRAIN_SECONDS = 20.0
AWAY_SECONDS = 10.0
FILES_A_SIDECAR = 3


def carry_out(order: Order, folder: Path, meanwhile: Callable[[Stack, Order], Order], *, up: bool = True) -> Row:
    """Run one step and leave its folder; gives its row."""
    folder.mkdir(parents=True)
    with Stack(folder, order.collectors) as stack:
        if not up:
            stack.kill_collector(0)
        requests = order.sidecars * (order.ticks + order.backlog)
        lead = 8 + requests / ENCODED_A_SECOND + order.sidecars / STARTED_A_SECOND
        order = replace(order, begins=time.time() + lead, cpus=len(os.sched_getaffinity(0)))
        variables = {
            "LOAD_ENDPOINTS": ",".join(stack.endpoints),
            "LOAD_BEGINS": f"{order.begins:.3f}",
            "LOAD_COUNT": str(order.sidecars),
            "LOAD_INTERVAL": f"{order.interval_seconds:g}",
            "LOAD_TICKS": str(order.ticks),
            "LOAD_BACKLOG": str(order.backlog),
            "LOAD_DRAIN": f"{DRAIN_SECONDS:g}",
            "LOAD_OUT": str(folder),
        }
        seconds = lead + order.ticks * order.interval_seconds + DRAIN_SECONDS + 10
        locust = stack.start_locust(variables, users=order.sidecars, seconds=seconds)
        order = meanwhile(stack, order)
        _until(order.ends)
        series = stack.series()
        wait_until(lambda: locust.exit is not None, within=DRAIN_SECONDS + 40, what="Locust's end", every=0.1)
    (folder / "step.json").write_text(json.dumps({**asdict(order), "series": series}) + "\n", encoding="utf-8")
    return row_of(folder)


def _until(wall_seconds: float) -> None:
    seconds = wall_seconds - time.time()
    if seconds > 0:
        time.sleep(seconds)  # nothing else is to come true but that this time has passed


def nothing(_stack: Stack, order: Order) -> Order:
    """Let it run."""
    return order


def kill_one(stack: Stack, order: Order) -> Order:
    """Kill the last Collector in the middle of the step, and bring it back."""
    _until(order.begins + order.ticks * order.interval_seconds / 3)
    number = order.collectors - 1
    stack.kill_collector(number)
    _until(time.time() + AWAY_SECONDS)
    stack.start_collector(number)
    return replace(order, recovers=time.time())


def let_herd_in(stack: Stack, order: Order) -> Order:
    """Start the Collector that was away, when all bridges wait for it."""
    _until(order.begins)
    stack.start_collector(0)
    return replace(order, recovers=time.time())


def steps(given: argparse.Namespace) -> list[Row]:
    """Run all that was asked for, with a line for each."""
    rows: list[Row] = []
    commit = provenance.commit()

    def run(name: str, order: Order, meanwhile: Callable[[Stack, Order], Order] = nothing, *, up: bool = True) -> Row:
        row = carry_out(order, given.out / name, meanwhile, up=up)
        rows.append(row)
        sys.stdout.write(f"{row.verdict:12} {name}: {row.reason}\n")
        sys.stdout.flush()
        return row

    def order(kind: str, sidecars: int, collectors: int, ticks: int, backlog: int = 0) -> Order:
        return Order(kind, sidecars, collectors, INTERVAL_SECONDS, ticks, backlog, 0.0, commit=commit)

    for count in given.sidecars:
        if run(f"one-{count}", order("step", count, 1, given.ticks)).verdict != "PASS":
            break
    for collectors in given.replicas:
        if given.replica_sidecars:
            name = f"of-{collectors}-{given.replica_sidecars}"
            run(name, order("step", given.replica_sidecars, collectors, given.ticks))
        ticks = max(given.ticks, 6)
        killed = given.killed_sidecars
        run(f"of-{collectors}-one-killed", order("killed", killed, collectors, ticks), kill_one)
    if given.herd:
        run(f"herd-{given.herd}", order("herd", given.herd, 1, 3, given.herd_backlog), let_herd_in, up=False)
    return rows


def judged_again(out: Path) -> list[Row]:
    """Make the rows of an earlier test anew from its records, in the order in which they ran.

    Raises:
        OSError: there is no such folder, or a record lacks a file.
        ValueError: it has no records, or one of them is damaged.
    """
    rows: dict[float, Row] = {}
    for path in out.glob("*/step.json"):
        try:
            rows[json.loads(path.read_text(encoding="utf-8"))["begins"]] = row_of(path.parent)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.parent} is damaged, or no step's record; run the step anew: {error!r}") from error
    if not rows:
        raise ValueError(f"{out} holds no record of a step (NAME/step.json); a load test's --out is what to name")
    return [rows[begins] for begins in sorted(rows)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/load"), help="an older folder of that name is moved aside"
    )
    parser.add_argument(
        "--sidecars", type=positive_count, nargs="*", default=[100, 300, 1000, 2000, 3000, 4000], help="the steps"
    )
    parser.add_argument(
        "--ticks", type=positive_count, default=4, help="requests of each sidecar in a step, 10 s apart"
    )
    parser.add_argument("--replicas", type=positive_count, nargs="*", default=[2, 3], help="how many Collectors")
    parser.add_argument(
        "--replica-sidecars", type=count_or_none, default=3000, help="of a step with several Collectors; 0: none"
    )
    parser.add_argument("--killed-sidecars", type=positive_count, default=1000, help="where one Collector is killed")
    parser.add_argument(
        "--herd", type=count_or_none, default=1000, help="bridges that replay a backlog at once; 0: none"
    )
    parser.add_argument("--herd-backlog", type=positive_count, default=60, help="requests of each: 60 are 10 minutes")
    parser.add_argument("--judge", type=Path, help="a folder of an earlier test: judge its records, run nothing")
    given = parser.parse_args(arguments)
    if given.judge:
        try:
            return told(judged_again(given.judge), given.judge)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"not judged: {error}\n")
            return 4
    if not (given.sidecars or given.replicas or given.herd):
        parser.error("without --sidecars, --replicas and --herd there is nothing to run")
    most = max([*given.sidecars, given.replica_sidecars, given.killed_sidecars, given.herd])
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most * FILES_A_SIDECAR + 200 > files:
        parser.error(
            f"{most} sidecars need {most * FILES_A_SIDECAR + 200} open files; the limit (ulimit -n) is {files}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    emptied(parser, given.out)
    try:
        with ended_in_order():
            rows = steps(given)
    except (RuntimeError, RigError, ProcessError, PrometheusError, WaitedTooLongError, OSError) as error:
        sys.stderr.write(f"{error}; what there is of it: {given.out}\n")
        return 4
    return told(rows, given.out)


def told(rows: Sequence[Row], out: Path) -> int:
    """Print and keep what was found, and give the exit code."""
    (out / "load.json").write_text(json.dumps([as_dict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"\n{table(rows)}\n{knee(rows)}\nscraped every {SCRAPE_SECONDS} s; records: {out}\n")
    others = [row.verdict for row in rows if row.kind != "step" or row is rows[0]]
    lost = any(row.verdict == "FAIL" and row.lost for row in rows)  # beyond the knee answers are late, and none is lost
    return 1 if "FAIL" in others or lost else 2 if "INCONCLUSIVE" in others else 0


if __name__ == "__main__":
    sys.exit(main())

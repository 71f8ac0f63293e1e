"""Puts every contestant under the same scenarios and the same recorder, in turn, and leaves the records.

    python -m benchmarks.contest [--out runs/contest] [--rounds 3] [--only NAME ...] [--smoke | --no-smoke]

OUT holds a folder of run folders for each contestant; `benchmarks.scoreboard` makes the tables of them. What costs is
measured one at a time, in another order each round, with our bridge twice: the second against the first is the noise.
Outages and, with ``--smoke``, the whole smoke profile run side by side where that is fair. A contestant that cannot run
here is named with its reason in OUT/not-run.json. Exit: 0 all was run, 4 where a run was a HARNESS ERROR, 130 when
interrupted; verdicts decide nothing here.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.arguments import emptied, positive_count
from benchmarks.contestants import CONTESTANTS, OURS, Contestant
from benchmarks.cost import COST, LONG, SHORT, SPOILT
from harness import batch
from harness.batch import Plan
from harness.catalogue import scenario_folder, select
from harness.checks import Verdict
from harness.reports.progress import Progress
from harness.scenario import RigName, Scenario
from harness.starter import Starter
from harness.verdict import Judgement

AGAIN = "ours-again"
"""Our bridge a second time: what A differs from A."""
NOT_RUN = "not-run.json"
SCENARIOS = Path(__file__).parent / "scenarios"
SEED = 7
INTERRUPTED, HARNESS_ERROR = 130, 4
RIG: RigName = "embedded"


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant as it takes part: its folder of records, and its command."""

    folder: str
    contestant: Contestant


def entries(only: Sequence[str]) -> list[Entry]:
    """Return who takes part, ours twice.

    Raises:
        SystemExit: a name that is no contestant's.
    """
    known = {one.name: one for one in CONTESTANTS}
    if unknown := sorted(set(only) - known.keys()):
        raise SystemExit(f"there is no contestant {unknown[0]!r}: there are {', '.join(known)}")
    wanted = [one for one in CONTESTANTS if not only or one.name in only]
    again = [Entry(AGAIN, known[OURS])] if any(one.name == OURS for one in wanted) else []
    return [Entry(one.name, one) for one in wanted] + again


def plans(takes_part: Sequence[Entry], *, rounds: int, smoke: bool, out: Path) -> list[tuple[Entry, Plan]]:
    """Return all runs in the order in which those that are alone are made."""
    cost, short, long, spoilt = (scenario(name) for name in (COST, SHORT, LONG, SPOILT))
    wanted: list[tuple[Entry, Scenario, int]] = []
    for turn in range(rounds):
        shift = turn % len(takes_part)
        wanted += [(entry, cost, turn) for entry in (*takes_part[shift:], *takes_part[:shift])]
    bridges = [entry for entry in takes_part if entry.contestant.is_bridge and entry.folder != AGAIN]
    wanted += [(entry, one, 0) for entry in bridges for one in (long, short)]
    profile = [entry.scenario for entry in select([], profile="smoke", folder=scenario_folder())] if smoke else [spoilt]
    can = [one for one in profile if Starter().why_not(one, RIG) is None]
    wanted += [(entry, one, 0) for entry in bridges for one in can]
    return [
        (entry, Plan(one, RIG, out / entry.folder / f"{one.name.replace('/', '.')}-{turn + 1}", SEED + turn))
        for entry, one, turn in wanted
    ]


def scenario(name: str) -> Scenario:
    """Return a scenario of ours by its name, or one of the catalogue."""
    file = SCENARIOS / f"{name.partition('/')[0]}.yaml"
    words = [str(file)] if file.is_file() else [name]
    found = select(words, profile=None, folder=scenario_folder())
    return next(entry.scenario for entry in found if entry.scenario.name == name)


def run(all_plans: Sequence[tuple[Entry, Plan]], interrupt: threading.Event, console: Console) -> list[Judgement]:
    """Carry out the plans, each with its contestant's command."""
    commands = {plan.run_dir: entry.contestant.command for entry, plan in all_plans}

    def carry_out(plan: Plan, interrupt: threading.Event, progress: Callable[[str], None]) -> None:
        Starter().carry_out(plan, interrupt, progress, bridge_command=commands[plan.run_dir], keep=False)

    with Progress(console, len(all_plans)) as watcher:
        return batch.run_all(
            [plan for _, plan in all_plans],
            jobs=batch.SIDE_BY_SIDE * len(os.sched_getaffinity(0)),
            run_one=carry_out,
            interrupt=interrupt,
            watcher=watcher,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the contest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contest", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/contest"), help="an older folder of that name is moved aside"
    )
    parser.add_argument("--rounds", type=positive_count, default=3, help="of what is measured one at a time")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help=", ".join(c.name for c in CONTESTANTS))
    parser.add_argument("--smoke", action=argparse.BooleanOptionalAction, default=True, help="the whole smoke profile")
    given = parser.parse_args(arguments)
    asked = entries(given.only)
    hindered = {entry.folder: reason for entry in asked if (reason := entry.contestant.why_not())}
    takes_part = [entry for entry in asked if entry.folder not in hindered]
    if not takes_part:
        parser.error("; ".join(hindered.values()))
    emptied(parser, given.out)
    for entry in takes_part:
        (given.out / entry.folder).mkdir()
    (given.out / NOT_RUN).write_text(json.dumps(hindered, indent=2) + "\n", encoding="utf-8")
    for name, reason in hindered.items():
        sys.stdout.write(f"NOT RUN: {name}. {reason}\n")
    interrupt = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupt.set())
    all_plans = plans(takes_part, rounds=given.rounds, smoke=given.smoke, out=given.out)
    judgements = run(all_plans, interrupt, Console(highlight=False, emoji=False, markup=False))
    if interrupt.is_set():
        return INTERRUPTED
    sys.stdout.write(f"{len(judgements)} runs; records: {given.out}\n")
    return HARNESS_ERROR if any(found.verdict is Verdict.HARNESS_ERROR for found in judgements) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The harness's proof of itself: every mutant is caught by what claims to catch it, and the real bridge is not.

A mutant counts as caught only where its scenario ends with FAIL and the claimed check is one of those that failed. An
INCONCLUSIVE run or a HARNESS ERROR proves nothing, for a mutant as little as for the real bridge.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import batch
from harness.batch import Plan
from harness.catalogue import SelectionError, scenario_folder, select
from harness.checks import Verdict
from harness.mutants import MUTANTS, Mutant
from harness.plausibility import nearest
from harness.reports.progress import Progress
from harness.scenario import Scenario
from harness.starter import Starter
from harness.verdict import Judgement

SEED = 1
REAL = "the real bridge"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a scenario said of one bridge, and whether that is what it should say."""

    bridge: str
    scenario: str
    expected: str
    judgement: Judgement
    proven: bool


def run_proof(
    names: Sequence[str], *, jobs: int | None, out: Path, interrupt: threading.Event, console: Console
) -> int:
    """Run every mutant, and the real bridge under each of their scenarios; show a table.

    Args:
        names: only these mutants; empty: all.
        jobs: how many runs side by side; None: three for each processor.
        out: where the records go.
        interrupt: ends the runs early.
        console: where the table goes.

    Returns:
        0 only when every mutant that can run here is caught and the real bridge passes; 1 when one is not caught or
        the real bridge fails; 4 for a harness error, 2 for a run that decided nothing, 130 when interrupted.

    Raises:
        SelectionError: a name that is no mutant's.
    """
    asked = chosen(names)
    scenarios = {mutant.scenario: scenario_called(mutant.scenario) for mutant in asked}
    hindered = {mutant: Starter().why_not(scenarios[mutant.scenario], mutant.rig) for mutant in asked}
    mutants = [mutant for mutant in asked if hindered[mutant] is None]
    folder = out / f"mutants-{dt.datetime.now().astimezone():%Y%m%dT%H%M%S}"
    plans = [Plan(scenarios[mutant.scenario], mutant.rig, folder / mutant.name, SEED) for mutant in mutants]
    plans += [
        Plan(scenarios[name], rig, folder / f"real.{name.replace('/', '.')}", SEED)
        for name, rig in dict.fromkeys((mutant.scenario, mutant.rig) for mutant in mutants)
    ]
    modules = {folder / mutant.name: mutant.module for mutant in mutants}
    with Progress(console, len(plans)) as watcher:
        judgements = batch.run_all(
            plans,
            jobs=jobs or batch.SIDE_BY_SIDE * len(os.sched_getaffinity(0)),
            run_one=starter(modules),
            interrupt=interrupt,
            watcher=watcher,
        )
    if interrupt.is_set():
        return 130
    findings = [of_mutant(mutant, judgement) for mutant, judgement in zip(mutants, judgements, strict=False)]
    findings += [of_real_bridge(judgement) for judgement in judgements[len(mutants) :]]
    console.print(table(findings))
    caught = sum(finding.proven for finding in findings[: len(mutants)])
    console.print(f"{caught} of {len(mutants)} mutants caught; records: {folder.resolve()}")
    for mutant, reason in hindered.items():
        if reason is not None:
            console.print(f"NOT RUN: {mutant.name}, which {mutant.scenario} catches. {reason}")
    return exit_code(findings)


def chosen(names: Sequence[str]) -> list[Mutant]:
    """Return the mutants of these names, all for none.

    Raises:
        SelectionError: a name that is no mutant's.
    """
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = [f"there is no mutant {name!r}: {nearest(name, list(known))}" for name in names if name not in known]
    if unknown:
        raise SelectionError("\n".join(unknown))
    return [known[name] for name in names] if names else list(MUTANTS)


def scenario_called(name: str) -> Scenario:
    """Return one scenario of the catalogue.

    Raises:
        SelectionError: there is none of that name.
    """
    return select([name], profile=None, folder=scenario_folder())[0].scenario


def starter(modules: dict[Path, str]) -> Callable[[Plan, threading.Event, Callable[[str], None]], None]:
    """Return what carries out a plan with the bridge that belongs to its folder."""

    def carry_out(plan: Plan, interrupt: threading.Event, progress: Callable[[str], None]) -> None:
        command = [sys.executable, "-m", modules.get(plan.run_dir, "bridge")]
        Starter().carry_out(plan, interrupt, progress, bridge_command=command, keep=False)

    return carry_out


def of_mutant(mutant: Mutant, judgement: Judgement) -> Finding:
    """Say whether a mutant was caught by what claims to catch it."""
    failed = [result.check for result in judgement.checks if result.verdict is Verdict.FAIL]
    proven = judgement.verdict is Verdict.FAIL and mutant.check in failed
    return Finding(mutant.name, mutant.scenario, mutant.check, judgement, proven)


def of_real_bridge(judgement: Judgement) -> Finding:
    """Say whether the real bridge passed."""
    return Finding(REAL, judgement.scenario, "all kept", judgement, judgement.verdict is Verdict.PASS)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 where all is proven; else 1 for a wrong verdict, 4 for a harness error, 2 for none at all."""
    wrong = {finding.judgement.verdict for finding in findings if not finding.proven}
    if wrong & {Verdict.PASS, Verdict.FAIL}:
        return 1
    if Verdict.HARNESS_ERROR in wrong:
        return 4
    return 2 if wrong or not findings else 0


def table(findings: Sequence[Finding]) -> Table:
    """Draw what was found, what is not proven first; two lines each, so that nothing is folded at 80 columns."""
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("proven", "bridge", "scenario, and what it said"):
        drawn.add_column(title, overflow="fold")
    for finding in sorted(findings, key=lambda finding: finding.proven):
        proven = Text("yes", style="green") if finding.proven else Text("NO", style="bold red")
        said = Text(finding.scenario)
        said.append(f"\n{finding.judgement.verdict}: {finding.expected}", style="dim")
        if not finding.proven:
            said.append(f"\n{finding.judgement.reason}")
        drawn.add_row(proven, finding.bridge, said)
    return drawn

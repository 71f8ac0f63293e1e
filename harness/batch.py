"""Runs many scenarios: side by side where that is fair, alone where a neighbour would spoil the figures."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import verdict
from harness.checks import CHECKS, Verdict
from harness.ledger import LedgerError
from harness.record import RecordError
from harness.record_folder import load as load_record
from harness.scenario import RigName, Scenario
from harness.verdict import Judgement

SIDE_BY_SIDE = 3
"""For each processor: a functional scenario mostly waits."""
_LOOK_AGAIN_SECONDS = 0.2  # a signal's handler runs between two waits of the main thread


@dataclass(frozen=True, slots=True)
class Plan:
    """One run that is to be made."""

    scenario: Scenario
    rig: RigName
    run_dir: Path
    seed: int

    @property
    def alone(self) -> bool:
        """Whether it has a budget that a neighbour's work would spoil."""
        return any(CHECKS[spec.check].alone for spec in self.scenario.checks if spec.check in CHECKS)

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        return self.run_dir.name


class Watcher(Protocol):
    """Is told how the runs go; from several threads."""

    def started(self, plan: Plan) -> None:
        """A run begins."""

    def said(self, plan: Plan, text: str) -> None:
        """Something happened in a run."""

    def ended(self, plan: Plan, judgement: Judgement) -> None:
        """A run has its verdict."""


RunOne = Callable[[Plan, threading.Event, Callable[[str], None]], None]
"""Carries out one run and leaves its record in the plan's folder."""


def run_all(
    plans: Sequence[Plan], *, jobs: int, run_one: RunOne, interrupt: threading.Event, watcher: Watcher
) -> list[Judgement]:
    """Run, judge and save the verdicts; returns what was run, in the plans' order.

    Of those side by side the longest begin first, so that none is waited for when all the others have ended.
    """
    found: dict[int, Judgement] = {}

    def carry_out(index: int) -> None:
        if not interrupt.is_set():
            found[index] = _run(plans[index], run_one, interrupt, watcher)

    together = [index for index, plan in enumerate(plans) if not plan.alone]
    together.sort(key=lambda index: -plans[index].scenario.planned_seconds)
    alone = [index for index, plan in enumerate(plans) if plan.alone]
    for indices, width in ((together, jobs), (alone, 1)):
        with ThreadPoolExecutor(max_workers=width, thread_name_prefix="scenario") as pool:
            pending = {pool.submit(carry_out, index) for index in indices}  # begun in this order
            while pending:
                done, pending = wait(pending, timeout=_LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
    return [found[index] for index in sorted(found)]


def _run(plan: Plan, run_one: RunOne, interrupt: threading.Event, watcher: Watcher) -> Judgement:
    watcher.started(plan)
    try:
        run_one(plan, interrupt, lambda text: watcher.said(plan, text))
        judgement = judge_folder(plan.run_dir)
    except (OSError, RecordError, LedgerError) as error:
        judgement = verdict.harness_error(plan.scenario, plan.rig, f"{error}.", plan.run_dir.name)
    except Exception as error:  # noqa: BLE001 - one run's defect must not cost the verdicts of the others
        reason = f"The harness itself failed: {type(error).__name__}: {error}."
        judgement = verdict.harness_error(plan.scenario, plan.rig, reason, plan.run_dir.name)
    watcher.ended(plan, judgement)
    return judgement


def judge_folder(run_dir: Path, *, save: bool = True) -> Judgement:
    """Judge a run from its folder alone, and write the verdict there unless told not to.

    Raises:
        RecordError: the folder holds no record that can be read.
        LedgerError: the job's ledger is damaged.
        OSError: the verdict cannot be written.
    """
    judgement = verdict.judge(load_record(run_dir))
    if save:
        verdict.save(judgement, run_dir)
    return judgement


def run_folders(path: Path) -> list[Path]:
    """Return the run folders that a path means: itself, or those that stand in it."""
    if (path / "run.json").is_file():
        return [path]
    return sorted(folder for folder in path.iterdir() if (folder / "run.json").is_file()) if path.is_dir() else []


def run_dirs(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Make a folder for each name, numbered where one is taken, so that several harnesses can share ``out``.

    A folder that cannot be made is returned all the same: what is to be written there says why.
    """
    for name in names:
        for number in itertools.count(1):
            folder = out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir(parents=True)
            except OSError:
                if os.path.lexists(folder):
                    continue
            yield folder
            break


def exit_code(judgements: Sequence[Judgement]) -> int:
    """Return 1 for any FAIL, else 4 for any HARNESS ERROR, else 2 for any INCONCLUSIVE or nothing run, else 0."""
    verdicts = {judgement.verdict for judgement in judgements}
    if Verdict.FAIL in verdicts:
        return 1
    if Verdict.HARNESS_ERROR in verdicts:
        return 4
    return 2 if Verdict.INCONCLUSIVE in verdicts or verdicts <= {Verdict.NOT_RUN} else 0

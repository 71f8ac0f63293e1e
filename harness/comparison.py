"""Two sets of runs side by side: each figure of B against that of A, and whether A differs from itself as much."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.batch import run_folders
from harness.catalogue import SelectionError
from harness.checks import CheckResult, Verdict
from harness.reports import Judged
from harness.saved import judged_again
from harness.verdict import WORST_FIRST

_SPREAD_RUNS_MIN = 2


class Said(StrEnum):
    """What is said of B's figure. Smaller is better in all of them."""

    WORSE = "WORSE"
    UNKNOWN = "?"
    """It differs, and nobody knows by how much two runs of the same bridge would."""
    BETTER = "better"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Side:
    """A check's figures in the runs of one side."""

    values: tuple[float, ...]
    verdict: Verdict
    """The worst of the runs."""
    runs: int

    @property
    def median(self) -> float | None:
        """The figure that stands for the side."""
        return statistics.median(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """From the lowest to the highest figure; None: there are too few."""
        return max(self.values) - min(self.values) if len(self.values) >= _SPREAD_RUNS_MIN else None


@dataclass(frozen=True, slots=True)
class Row:
    """One check on both sides."""

    scenario: str
    rig: str
    check: str
    promise: str
    unit: str
    a: Side
    b: Side
    noise: float | None
    """How far runs of one and the same bridge lie apart, in ``unit``; None: not known."""

    @property
    def ratio(self) -> float | None:
        """B's figure as a multiple of A's; None where there is none."""
        a, b = self.a.median, self.b.median
        return None if a is None or b is None or a == 0 else b / a

    @property
    def said(self) -> Said:
        """A verdict that got worse is worse, whatever the noise; a figure only beyond the noise."""
        if (self.a.verdict is Verdict.FAIL) != (self.b.verdict is Verdict.FAIL):
            return Said.WORSE if self.b.verdict is Verdict.FAIL else Said.BETTER
        a, b = self.a.median, self.b.median
        if a is None or b is None:
            return Said.SAME if a is b and self.a.verdict is self.b.verdict else Said.UNKNOWN
        if a == b:
            return Said.SAME
        if self.noise is None:
            return Said.UNKNOWN
        if abs(b - a) <= self.noise:
            return Said.SAME
        return Said.WORSE if b > a else Said.BETTER


_Key = tuple[str, str, str, str, str]
"""Scenario, rig, check, promise, unit."""


def compare_folders(a: Path, b: Path) -> list[Row]:
    """Compare two run folders, or two folders of runs, judged again.

    Where A or B is a single run, other runs of the same scenario, rig and bridge beside it tell the noise.

    Raises:
        SelectionError: no runs there, several bridges on one side, or no scenario that both sides have.
    """
    side_a, side_b = judged_again([a], save=False), judged_again([b], save=False)
    named = {run.folder for run in (*side_a, *side_b)}
    noise = [figures_of([*side, *_beside(path, side, named)]) for path, side in ((a, side_a), (b, side_b))]
    for path, side in ((a, side_a), (b, side_b)):
        if len(bridges := {bridge for run in side if (bridge := _bridge(run))}) > 1:
            raise SelectionError(f"{path} holds runs of {len(bridges)} different bridges: name one of its runs")
    rows = compare(figures_of(side_a), figures_of(side_b), noise)
    if not rows:
        raise SelectionError(f"{a} and {b} have no scenario in common that was run on the same rig")
    return rows


def compare(a: dict[_Key, Side], b: dict[_Key, Side], noise: Sequence[dict[_Key, Side]] = ()) -> list[Row]:
    """Compare what both sides have, in A's order; ``noise``: sets of runs, each of one bridge, that tell the spread."""
    rows = []
    for key in (key for key in a if key in b):
        spreads = [spread for side in (a, b, *noise) if key in side and (spread := side[key].spread) is not None]
        rows.append(Row(*key, a[key], b[key], max(spreads, default=None)))
    return rows


def figures_of(runs: Sequence[Judged]) -> dict[_Key, Side]:
    """Return the figures of each check in some runs. Runs that were not carried out have none."""
    found: dict[_Key, list[CheckResult]] = defaultdict(list)
    for run in runs:
        if run.judgement.verdict is not Verdict.HARNESS_ERROR:
            for result in run.judgement.checks:
                key = (run.judgement.scenario, run.judgement.rig, result.check, result.promise, result.unit)
                found[key].append(result)
    return {key: _side(results) for key, results in found.items()}


def _side(results: Sequence[CheckResult]) -> Side:
    values = tuple(result.measured for result in results if result.measured is not None)
    return Side(values, min((result.verdict for result in results), key=WORST_FIRST.index), len(results))


def _beside(path: Path, side: Sequence[Judged], named: set[Path | None]) -> list[Judged]:
    """Return further runs like a single one, from the folder that it stands in."""
    if run_folders(path) != [path] or not (bridge := _bridge(side[0])):
        return []
    about = side[0].judgement
    others = [folder for folder in run_folders(path.absolute().parent) if not _is_named(folder, named)]
    alike = judged_again(others, save=False)
    return [
        run
        for run in alike
        if (run.judgement.scenario, run.judgement.rig, _bridge(run)) == (about.scenario, about.rig, bridge)
    ]


def _is_named(folder: Path, named: set[Path | None]) -> bool:
    return any(one is not None and one.absolute() == folder.absolute() for one in named)


def _bridge(run: Judged) -> tuple[str, ...]:
    record = run.record()
    return () if record is None else record.meta.bridge_command

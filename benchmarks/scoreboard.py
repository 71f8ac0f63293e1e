"""Contestants side by side, from the records of their runs: each promise's verdict, and what each costs and loses.

    python -m benchmarks.scoreboard FOLDER [--into FILE]

FOLDER is what ``python -m benchmarks.contest`` leaves. The tables go to the screen, or between the two markers of a
Markdown file, so that nobody types a figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest import AGAIN, NOT_RUN
from benchmarks.contestants import CONTESTANTS, OURS
from benchmarks.cost import COLUMNS, Column
from harness import batch
from harness.checks import CheckResult, Verdict
from harness.ledger import LedgerError
from harness.promises import load as load_promises
from harness.record import RecordError, RunRecord
from harness.record_folder import load
from harness.reports.figures import figure, quantity
from harness.verdict import Judgement, judge

BEGIN, END = "<!-- scoreboard: begin -->", "<!-- scoreboard: end -->"
TITLES = {contestant.name: contestant.title for contestant in CONTESTANTS}
BRIDGES = {contestant.name for contestant in CONTESTANTS if contestant.is_bridge}
_COST_SCENARIOS = {column.scenario for column in COLUMNS if column.scenario.partition("/")[0] in {"cost", "outage"}}
"""They are run for their figures; promises are judged by the scenarios of the catalogue."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A contestant's figure in one column."""

    values: tuple[float, ...]
    runs: tuple[str, ...]
    """The record folders that they come from, as CONTESTANT/RUN."""

    @property
    def median(self) -> float | None:
        """What stands for it."""
        return statistics.median(self.values) if self.values else None


@dataclass(frozen=True, slots=True)
class Board:
    """All that the tables are made of."""

    judgements: Mapping[str, Sequence[Judgement]]
    cells: Mapping[str, Mapping[str, Cell]]
    """By contestant, then by column's key."""
    not_run: Mapping[str, str]

    def noise(self, column: Column) -> float | None:
        """How far runs of our own bridge lie apart; None: there are too few."""
        values = [value for name in (OURS, AGAIN) if name in self.cells for value in self._values(name, column)]
        return max(values) - min(values) if len(values) > 1 else None

    def _values(self, name: str, column: Column) -> tuple[float, ...]:
        return self.cells[name][column.key].values

    @property
    def names(self) -> list[str]:
        """Those that ran, in the order of `CONTESTANTS`."""
        return [name for name in TITLES if name in self.cells]


def read(folder: Path) -> Board:
    """Read and judge every run of every contestant, from the folders alone.

    Raises:
        SystemExit: there is none, or one cannot be read.
    """
    judgements: dict[str, list[Judgement]] = {}
    cells: dict[str, dict[str, Cell]] = {}
    for name in (*TITLES, AGAIN):
        runs = batch.run_folders(folder / name)
        if not runs:
            continue
        try:
            records = [load(run) for run in runs]
            found = [judge(record) for record in records]
        except (RecordError, LedgerError) as error:
            raise SystemExit(str(error)) from None
        cells[name] = {column.key: _cell(column, name, records) for column in COLUMNS}
        judgements[name] = [one for one in found if one.scenario not in _COST_SCENARIOS]
    if not cells:
        raise SystemExit(f"{folder} holds no contestant's runs: make them with python -m benchmarks.contest")
    told = folder / NOT_RUN
    return Board(judgements, cells, json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {})


def _cell(column: Column, name: str, records: Sequence[RunRecord]) -> Cell:
    measured = [
        (value, f"{name}/{record.meta.run}")
        for record in records
        if record.meta.scenario == column.scenario and record.meta.complete and not record.meta.error
        if (value := column.measure(record)) is not None
    ]
    return Cell(tuple(value for value, _ in measured), tuple(run for _, run in measured))


def promises_table(contestants: Mapping[str, Sequence[Judgement]]) -> str:
    """Return a Markdown table: a row for each promise, a column for each contestant."""
    titles = [TITLES.get(name, name) for name in contestants]
    lines = [f"| promise | {' | '.join(titles)} |", f"|---|{'---|' * len(contestants)}"]
    lines += [
        f"| {promise} | {' | '.join(kept(promise, judgements) for judgements in contestants.values())} |"
        for promise in load_promises().promises
    ]
    return "\n".join(lines) + "\n"


def kept(promise: str, judgements: Sequence[Judgement]) -> str:
    """Say in how many scenarios a promise was kept, and where it broke worst."""
    held = [(judgement, result) for judgement in judgements for result in judgement.checks if result.promise == promise]
    scenarios = {judgement.scenario for judgement, _ in held}
    broken = [(judgement, result) for judgement, result in held if result.verdict is Verdict.FAIL]
    undecided = {judgement.scenario for judgement, result in held if result.verdict is Verdict.INCONCLUSIVE}
    if not held:
        return "not measured"
    if broken:
        judgement, worst = min(broken, key=lambda entry: share_of_limit(entry[1]))
        places = len({judgement.scenario for judgement, _ in broken})
        saw = "never" if worst.measured is None else quantity(worst.measured, worst.unit)
        return f"**broken** in {places} of {len(scenarios)}: {worst.check} {saw} ({judgement.scenario})"
    if undecided:
        return f"undecided in {len(undecided)} of {len(scenarios)}"
    return f"kept in {len(scenarios)}"


def share_of_limit(result: CheckResult) -> float:
    """Return the margin as a share of the limit, so that seconds and lost writes can stand in one order."""
    return float("-inf") if result.margin is None else result.margin / (result.limit or 1)


def figures_table(board: Board) -> str:
    """Return a Markdown table: a row for each column of figures, with the noise of ours against ours."""
    lines = [f"| figure | {' | '.join(TITLES[name] for name in board.names)} | A/A |"]
    lines.append(f"|---|{'---:|' * (len(board.names) + 1)}")
    for column in COLUMNS:
        shown = [figure(_rounded(board.cells[name][column.key].median)) for name in board.names]
        noise = board.noise(column)
        lines.append(f"| {column.title}, {column.unit} | {' | '.join(shown)} | {figure(_rounded(noise))} |")
    return "\n".join(lines) + "\n"


def ahead(board: Board) -> list[str]:
    """Say in whole sentences where another bridge is ahead of ours beyond the noise, and by how much."""
    said = []
    for column in COLUMNS:
        ours, noise = board.cells[OURS][column.key].median, board.noise(column) or 0.0
        for name in board.names:
            theirs = board.cells[name][column.key].median
            if name == OURS or name not in BRIDGES or ours is None or theirs is None:
                continue
            by = ours - theirs if column.better == "lower" else theirs - ours
            if by > noise:
                shown = [figure(_rounded(value)) for value in (theirs, ours, by, noise)]
                said.append(
                    f"{TITLES[name]} is ahead in {column.title}: {shown[0]} against {shown[1]} {column.unit}, "
                    f"by {shown[2]} (A/A {shown[3]})."
                )
    return said


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def text_of(board: Board) -> str:
    """Return all of it as Markdown."""
    judged = {name: found for name, found in board.judgements.items() if found}
    rounds = max((len(board.cells[OURS][column.key].values) for column in COLUMNS), default=0) if OURS in judged else 0
    parts = [promises_table(judged)] if judged else []
    parts.append(figures_table(board))
    of = "One round" if rounds == 1 else f"Medians of {rounds} rounds"
    parts.append(f"{of}, taken in turn; A/A is how far runs of this bridge itself lie apart.\n")
    if OURS in board.cells:
        leads = ahead(board)
        lines = "".join(f"- {line}\n" for line in leads)
        parts.append(f"Where another is ahead:\n\n{lines}" if leads else "No other bridge is ahead beyond the noise.\n")
    parts += [f"Not run: {TITLES.get(name, name)}. {reason}\n" for name, reason in board.not_run.items()]
    return "\n".join(parts)


def put_into(file: Path, text: str, begin_mark: str = BEGIN, end_mark: str = END) -> None:
    """Replace what stands between two markers of a Markdown file.

    Raises:
        SystemExit: the file has no markers.
    """
    old = file.read_text(encoding="utf-8")
    before, begin, rest = old.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise SystemExit(f"{file} has no line {begin_mark} and {end_mark} behind it")
    file.write_text(f"{before}{begin_mark}\n{text}{end_mark}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the records, print or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoreboard", description="Contestants side by side.")
    parser.add_argument("folder", type=Path, help="what python -m benchmarks.contest left")
    parser.add_argument("--into", type=Path, help="a Markdown file with the two markers")
    given = parser.parse_args(arguments)
    text = text_of(read(given.folder))
    if given.into is None:
        sys.stdout.write(text)
    else:
        put_into(given.into, text)


if __name__ == "__main__":
    main()

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
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contest import AGAIN, NOT_RUN
from benchmarks.contestants import CONTESTANTS, OURS
from benchmarks.cost import COLUMNS, Column
from harness import batch
from harness.checks import CheckResult, Verdict
from harness.promises import load as load_promises
from harness.record import RecordError, RunRecord
from harness.record_folder import load
from harness.reports.figures import figure, quantity
from harness.reports.promises import tells
from harness.verdict import Judgement, judge

BEGIN, END = "<!-- scoreboard: begin -->", "<!-- scoreboard: end -->"
TITLES = {contestant.name: contestant.title for contestant in CONTESTANTS}
BRIDGES = {contestant.name for contestant in CONTESTANTS if contestant.is_bridge}
_SCENARIOS = {column.scenario for column in COLUMNS}
_COST_SCENARIOS = {column.scenario for column in COLUMNS if column.scenario.partition("/")[0] in {"cost", "outage"}}
"""They are run for their figures; promises are judged by the scenarios of the catalogue."""


class NothingToShowError(Exception):
    """The folder holds no contestant's runs; says how to make them."""


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
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Runs, as CONTESTANT/RUN, whose figures would mean nothing, with the reason."""

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
        NothingToShowError: there is none.
        RecordError: one cannot be read.
        ValueError: the list of who did not run is damaged.
    """
    judgements: dict[str, list[Judgement]] = {}
    cells: dict[str, dict[str, Cell]] = {}
    left_out: dict[str, str] = {}
    for name in (*TITLES, AGAIN):
        runs = batch.run_folders(folder / name)
        if not runs:
            continue
        records = [load(run) for run in runs]
        found = [judge(record) for record in records]
        measured = [(one, _why_not(one, told)) for one, told in zip(records, found, strict=True)]
        cells[name] = {column.key: _cell(column, name, [one for one, why in measured if not why]) for column in COLUMNS}
        of_figures = [(one, why) for one, why in measured if why and one.meta.scenario in _SCENARIOS]
        left_out |= {f"{name}/{one.meta.run}": why for one, why in of_figures}
        judgements[name] = [one for one in found if one.scenario not in _COST_SCENARIOS]
    if not cells:
        raise NothingToShowError(f"{folder} holds no contestant's runs: make them with python -m benchmarks.contest")
    return Board(judgements, cells, _not_run(folder / NOT_RUN), left_out)


def _not_run(file: Path) -> dict[str, str]:
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not isinstance(told, dict):
        raise ValueError(f"{file} is damaged: it holds no object")  # noqa: TRY004 - of the file, not of an argument
    return told


def _why_not(record: RunRecord, judgement: Judgement) -> str:
    """Say why a run's figures would mean nothing: no whole run, no fault in place, no load offered; empty: they do."""
    if judgement.verdict is Verdict.HARNESS_ERROR or record.meta.interrupted:
        return judgement.reason
    return judgement.doubts[0] if judgement.doubts else ""


def _cell(column: Column, name: str, records: Sequence[RunRecord]) -> Cell:
    measured = [
        (value, f"{name}/{record.meta.run}")
        for record in records
        if record.meta.scenario == column.scenario
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
    broken = [entry for entry in held if entry[1].verdict is Verdict.FAIL and tells(*entry)]
    undecided = {entry[0].scenario for entry in held if entry[1].verdict is Verdict.INCONCLUSIVE or not tells(*entry)}
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
        ours, noise = board.cells[OURS][column.key].median, board.noise(column)
        for name in board.names:
            theirs = board.cells[name][column.key].median
            if name == OURS or name not in BRIDGES or ours is None or theirs is None:
                continue
            by = ours - theirs if column.better == "lower" else theirs - ours
            if by > (noise or 0.0):
                shown = [figure(_rounded(value)) for value in (theirs, ours, by)]
                beside = "A/A not measured" if noise is None else f"A/A {figure(_rounded(noise))}"
                said.append(
                    f"{TITLES[name]} is ahead in {column.title}: {shown[0]} against {shown[1]} {column.unit}, "
                    f"by {shown[2]} ({beside})."
                )
    return said


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3) or value  # the least thing is not nothing


def text_of(board: Board) -> str:
    """Return all of it as Markdown."""
    judged = {name: found for name, found in board.judgements.items() if found}
    parts = [promises_table(judged)] if judged else []
    parts.append(figures_table(board))
    parts.append(f"{rounds_words(board)}\n")
    if OURS in board.cells:
        leads = ahead(board)
        lines = "".join(f"- {line}\n" for line in leads)
        parts.append(f"Where another is ahead:\n\n{lines}" if leads else "No other bridge is ahead beyond the noise.\n")
    parts += [f"{line}\n" for line in lacking(board)]
    return "\n".join(parts)


def rounds_words(board: Board) -> str:
    """Say in a sentence how many runs stand behind a figure, and what the noise is."""
    counts = [len(cell.values) for cell in board.cells.get(OURS, {}).values()]
    rounds = max(counts, default=0)
    of = "One round" if rounds == 1 else f"Medians of {rounds} rounds"
    return f"{of}, taken in turn; A/A is how far runs of this bridge itself lie apart."


def lacking(board: Board) -> list[str]:
    """Say which contestants did not run, and which runs gave no figure, each with its reason."""
    absent = [f"Not run: {TITLES.get(name, name)}. {reason}" for name, reason in board.not_run.items()]
    return absent + [f"Left out: {run}. {reason}" for run, reason in board.left_out.items()]


def put_into(file: Path, text: str, begin_mark: str = BEGIN, end_mark: str = END) -> None:
    """Replace what stands between two markers of a Markdown file.

    Raises:
        SystemExit: the file cannot be read or written, or has no markers.
    """
    try:
        old = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file} cannot be read: {error}") from None
    before, begin, rest = old.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise SystemExit(f"{file} has no line {begin_mark} and {end_mark} behind it")
    try:
        file.write_text(f"{before}{begin_mark}\n{text}{end_mark}{after}", encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"{file} cannot be written: {error}") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the records, print or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoreboard", description="Contestants side by side.")
    parser.add_argument("folder", type=Path, help="what python -m benchmarks.contest left")
    parser.add_argument("--into", type=Path, help="a Markdown file with the two markers")
    given = parser.parse_args(arguments)
    try:
        text = text_of(read(given.folder))
    except (NothingToShowError, RecordError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    if given.into is None:
        sys.stdout.write(text)
    else:
        put_into(given.into, text)


if __name__ == "__main__":
    main()

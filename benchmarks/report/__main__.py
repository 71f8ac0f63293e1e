"""Makes the release report of what the benchmarks left: one page of HTML, its Markdown, and the figures as JSON.

    python -m benchmarks.report [--runs runs] [--out runs/report] [--last FILE] [--keep NAME]

Under RUNS it looks for ``contest/``, ``growth/growth.json``, ``micro.json``, ``load/load.json``, ``compare.json``,
``mutants-*/``, ``soak*/`` and ``rigs/RIG/`` (run folders of `python -m harness run`); what is not there is named in the
report. ``--last`` is the figures of the last release, by default the newest of benchmarks/reports/. ``--keep`` puts the
report there under a name. Exit: 0 no gating figure fails; 1 one does, or was not measured; 4 nothing to report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import scoreboard
from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS
from benchmarks.report import sections
from benchmarks.report.figures import Figure, compare, gates, missing, read_trend
from benchmarks.report.page import Section, markdown, page
from harness import batch, provenance
from harness.record import RecordError
from harness.record_folder import load
from harness.saved import judged_again
from harness.verdict import Judgement

KEPT = Path(__file__).parents[1] / "reports"
NAMES = {"report.html": "html", "report.md": "md", "trend.json": "json"}


@dataclass(slots=True)
class Draft:
    """The report as it grows."""

    parts: list[Section] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def add(self, part: sections.Part) -> None:
        """Take a section and its figures."""
        self.parts.append(part.section)
        self.figures += part.figures


def write(runs: Path) -> tuple[Draft, dict[str, list[Judgement]]]:
    """Make every section of what stands under the folder of runs."""
    draft = Draft()
    by_rig = rigs(runs)
    board = scoreboard.read(runs / "contest") if (runs / "contest").is_dir() else None
    if board and board.judgements.get(OURS):
        by_rig.setdefault("embedded", []).extend(board.judgements[OURS])
    draft.add(sections.of_promises(by_rig))
    noise = []
    if board is None:
        draft.absent.append("The contest (python -m benchmarks.contest).")
    elif OURS in board.cells:
        draft.add(sections.of_scoreboard(board))
        noise = noises(board)
    files: dict[str, tuple[str, Callable[[Any], sections.Part]]] = {
        "growth/growth.json": ("growth", sections.of_growth),
        "micro.json": ("micro benchmarks", sections.of_micro),
        "load/load.json": ("load test", sections.of_load),
    }
    for name, (what, of) in files.items():
        told = sections.read_json(runs / name)
        if told is None:
            draft.absent.append(f"The {what}: there is no {name}.")
        else:
            draft.add(of(told))
    draft.parts.append(soak(runs, draft.absent))
    comparison = sections.read_json(runs / "compare.json")
    if comparison is None:
        draft.absent.append("The proof of the comparison: there is no compare.json.")
    elif not all("bridge" in one for one in comparison):
        draft.absent.append("The proof of the comparison: compare.json is older and names no bridge; make it anew.")
        comparison = None
    draft.parts.append(sections.of_trust(mutants(runs, draft.absent), comparison or [], noise))
    return draft, by_rig


def noises(board: scoreboard.Board) -> list[str]:
    """Say how much runs of one and the same bridge differ here."""
    told = [(column, board.noise(column)) for column in COLUMNS]
    words = [f"{column.title} {noise:.3g} {column.unit}" for column, noise in told if noise is not None]
    return [f"Noise, our bridge against itself in turn with the others: {'; '.join(words)}."] if words else []


def rigs(runs: Path) -> dict[str, list[Judgement]]:
    """Judge the records of each rig again."""
    folders = sorted((runs / "rigs").iterdir()) if (runs / "rigs").is_dir() else []
    return {folder.name: [one.judgement for one in judged_again([folder], save=False)] for folder in folders}


def soak(runs: Path, absent: list[str]) -> Section:
    """Judge what long runs left."""
    found = [run for folder in sorted(runs.glob("soak*")) for run in (batch.run_folders(folder) or _inside(folder))]
    if not found:
        absent.append("The soak: there is no soak* folder of runs.")
        return sections.of_soak([], [])
    judged = [one.judgement for one in judged_again(found, save=False)]
    return sections.of_soak([load(run) for run in found], judged)


def _inside(folder: Path) -> list[Path]:
    return [run for inner in sorted(folder.iterdir()) if inner.is_dir() for run in batch.run_folders(inner)]


def mutants(runs: Path, absent: list[str]) -> Mapping[str, Judgement]:
    """Judge the newest run of all mutants again, by the mutants' names."""
    folders = sorted(runs.glob("mutants-*"))
    if not folders:
        absent.append("The mutants: there is no mutants-* folder (python -m harness mutants).")
        return {}
    runs_of = [run for run in batch.run_folders(folders[-1]) if not run.name.startswith("real.")]
    return {run.name: one.judgement for run, one in zip(runs_of, judged_again(runs_of, save=False), strict=True)}


def about() -> Section:
    """What was measured, and on what."""
    machine, versions = provenance.machine(), provenance.versions()
    told = (
        f"Commit {(provenance.commit() or 'unknown')[:12]}.",
        "Machine: {cpus} processors, {memory:.1f} GiB, {system} {release}, {architecture}.".format(
            memory=float(machine["memory_bytes"]) / 2**30,
            **{k: machine[k] for k in ("cpus", "system", "release", "architecture")},
        ),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "Absolute figures depend on the machine and on its neighbours; what decides are ratios, counts and exponents.",
    )
    return Section("What was measured", told)


def last_release(given: Path | None) -> Path | None:
    """The figures to compare with: those given, else the newest that is kept."""
    kept = sorted(
        KEPT.glob("*.json"), key=lambda path: [int(part) if part.isdigit() else 0 for part in path.stem.split(".")]
    )
    return given or (kept[-1] if kept else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the benchmarks left what they saw")
    parser.add_argument("--out", type=Path, default=Path("runs/report"))
    parser.add_argument("--last", type=Path, help="figures of the last release; by default the newest kept ones")
    parser.add_argument("--keep", metavar="NAME", help="put the report into benchmarks/reports/ under this name")
    given = parser.parse_args(arguments)
    if not given.runs.is_dir():
        sys.stderr.write(f"{given.runs} is no folder: run nox -s bench load first\n")
        return 4
    try:
        draft, by_rig = write(given.runs)
        last = last_release(given.last)
        earlier = read_trend(last) if last else {}
    except (OSError, ValueError, KeyError, TypeError, RecordError) as error:
        sys.stderr.write(f"a file under {given.runs} cannot be read: {type(error).__name__}: {error}\n")
        return 4
    listed = gates()
    compared, unmeasured = compare(draft.figures, earlier, listed), missing(draft.figures, listed)
    failing = [one.figure.name for one in compared if one.fails] + [gate.name for gate in unmeasured]
    parts = [sections.gating(compared, unmeasured, last.stem if last else ""), *draft.parts, sections.others(compared)]
    parts += [sections.not_run(by_rig, draft.absent), about()]
    words = f"{len(failing) or 'no'} gating figure{'s fail' if len(failing) > 1 else ' fails'}"
    title = f"ml-metrics-bridge {given.keep or 'unreleased'}: {words}"
    texts = {
        "report.html": page(title, parts),
        "report.md": markdown(title, parts),
        "trend.json": json.dumps([one.as_json() for one in draft.figures], indent=2) + "\n",
    }
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (given.out / name).write_text(text, encoding="utf-8")
        if given.keep:
            KEPT.mkdir(exist_ok=True)
            (KEPT / f"{given.keep}.{NAMES[name]}").write_text(text, encoding="utf-8")
    for one in compared:
        if one.said == "WORSE" or one.fails:
            sys.stdout.write(
                f"{'FAIL' if one.fails else 'WORSE'} {one.figure.name}: {one.figure.value:g} (last: {one.last})\n"
            )
    for gate in unmeasured:
        sys.stdout.write(f"FAIL {gate.name}: not measured\n")
    sys.stdout.write(f"{given.out / 'report.html'} (and report.md, trend.json)\n")
    return int(bool(failing))


if __name__ == "__main__":
    sys.exit(main())

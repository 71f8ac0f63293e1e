"""Makes the release report of what the benchmarks left: one page of HTML, its Markdown, and the figures as JSON.

    python -m benchmarks.report [--runs runs] [--out runs/report] [--last FILE] [--keep VERSION]

Under RUNS it looks for ``contest/``, ``growth/growth.json``, ``micro.json``, ``load/load.json``, ``compare.json``,
``mutants-*/``, ``soak*/`` and ``rigs/RIG/`` (run folders of `python -m harness run`); what is not there is named in the
report. ``--last`` is the figures of the last release, by default the newest of benchmarks/reports/. ``--keep`` puts the
report there under a version; an earlier try at the same version is not what it is compared with. Exit: 0 no gating
figure fails; 1 one does, or was not measured; 2 one is nearer to its limit than the noise, or wrong arguments; 4
something cannot be read or written.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import scoreboard
from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS
from benchmarks.report import proofs, sections, sources
from benchmarks.report.figures import Compared, Figure, Gate, compare, gates, gone, missing, of_trend
from benchmarks.report.page import Section, markdown, page
from harness import provenance
from harness.record import RecordError
from harness.verdict import Judgement

KEPT = Path(__file__).parents[1] / "reports"
NAMES = {"report.html": "html", "report.md": "md", "trend.json": "json"}
VERSION = re.compile(r"v?(\d+(?:\.\d+)*)([\w.+-]*)")
"""1.2.0, v1.2.0, 1.2.0-rc1, 1.2.0rc1: numbers, then what comes before them."""
PROVE = "python -m benchmarks.compare --prove 10 --out runs/compare.json"
_COMMIT_CHARACTERS = 12


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
    """Make every section of what stands under the folder of runs.

    Raises:
        sources.DamagedError: a file of figures is damaged, or a record of the contest.
    """
    draft = Draft()
    by_rig = sources.rigs(runs, draft.absent)
    board = contest(runs / "contest", draft.absent)
    if board and board.judgements.get(OURS):
        by_rig.setdefault("embedded", []).extend(board.judgements[OURS])
    draft.absent += sources.not_on(list(by_rig))
    draft.add(sections.of_promises(by_rig))
    if board:
        draft.add(sections.of_scoreboard(board))
    files: dict[str, tuple[str, Callable[[Any], sections.Part], str]] = {
        "growth/growth.json": ("growth", sections.of_growth, "python -m benchmarks.growth"),
        "micro.json": (
            "micro benchmarks",
            sections.of_micro,
            "pytest benchmarks/micro.py --benchmark-json=runs/micro.json",
        ),
        "load/load.json": ("load test", sections.of_load, "nox -s load"),
    }
    for name, (what, of, command) in files.items():
        part = sources.read_json(runs / name, of, anew(command))
        if part is None:
            draft.absent.append(f"The {what}: there is no {name} ({command}).")
        else:
            draft.add(part)
    draft.parts.append(sources.soak(runs, draft.absent))
    comparison = sources.read_json(runs / "compare.json", proofs.of_comparison, anew(PROVE))
    if not comparison:
        wrong = "there is no compare.json" if comparison is None else "compare.json is older or no proof"
        draft.absent.append(f"The proof of the comparison: {wrong} ({PROVE}).")
    mutants = sources.mutants(runs, draft.absent)
    draft.parts.append(proofs.of_trust(mutants, comparison or [], noises(board) if board else []))
    return draft, by_rig


def anew(command: str) -> str:
    """What to do with a damaged file."""
    return f"make it anew with {command}, or take it away"


def contest(folder: Path, absent: list[str]) -> scoreboard.Board | None:
    """Read the contest; None where our bridge has no run in it.

    Raises:
        sources.DamagedError: a record is damaged, or the list of who did not run.
    """
    try:
        board = scoreboard.read(folder)
    except scoreboard.NothingToShowError:
        board = None
    except (RecordError, OSError, ValueError) as error:
        raise sources.DamagedError(f"{error}: {anew('python -m benchmarks.contest')}") from error
    if board is None or OURS not in board.cells:
        absent.append("The contest: it holds no run of our bridge (python -m benchmarks.contest).")
        return None
    return board


def noises(board: scoreboard.Board) -> list[str]:
    """Say how much runs of one and the same bridge differ here."""
    told = [(column, board.noise(column)) for column in COLUMNS]
    words = [f"{column.title} {noise:.3g} {column.unit}" for column, noise in told if noise is not None]
    return [f"Noise, our bridge against itself in turn with the others: {'; '.join(words)}."] if words else []


def about(measured_at: Mapping[str, Sequence[str]]) -> Section:
    """What was measured, by which commits, and on what this report was made."""
    machine, versions = provenance.machine(), provenance.versions()
    commits = [f"{short(commit)} ({', '.join(of)})" for commit, of in measured_at.items()]
    told = (
        f"Measured at {'; '.join(commits) or 'a commit that nothing here names'}.",
        f"This report was made at {short(provenance.commit())}.",
        "Its machine: {cpus} processors, {memory:.1f} GiB, {system} {release}, {architecture}.".format(
            memory=float(machine["memory_bytes"]) / 2**30,
            **{k: machine[k] for k in ("cpus", "system", "release", "architecture")},
        ),
        "Its versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "Absolute figures depend on the machine and on its neighbours; what decides are ratios, counts and exponents.",
    )
    return Section("What was measured", told)


def short(commit: str | None) -> str:
    """A commit as people write it; ``+`` stays: files were changed since."""
    return "no commit" if not commit else commit[:_COMMIT_CHARACTERS] + "+" * commit.endswith("+")


def strangers(measured_at: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Say of what the records are of another commit than this report."""
    here = (provenance.commit() or "").removesuffix("+")  # what is written into README since has measured nothing
    others = [f"{', '.join(of)} at {short(commit)}" for commit, of in measured_at.items() if commit != here]
    said = f"Not all was measured at the commit of this report, {short(here)}: {'; '.join(others)}."
    return (said,) if others else ()


def last_release(given: Path | None, keep: str | None) -> Path | None:
    """The figures to compare with: those given, else the newest that is kept, but for the version that is to be."""
    kept = sorted((path for path in KEPT.glob("*.json") if path.stem != keep), key=lambda path: age(path.stem))
    return given or (kept[-1] if kept else None)


def age(version: str) -> tuple[tuple[int, ...], bool, str]:
    """What versions are put in order by; what is to come before a version (rc1) is older than it."""
    found = VERSION.fullmatch(version)
    if found is None:
        return (), False, version
    return tuple(map(int, found[1].split("."))), not found[2], found[2]


def earlier_figures(last: Path | None) -> dict[str, Figure]:
    """Read the figures of the last release; none where there is none.

    Raises:
        sources.DamagedError: the file is not there, or damaged.
    """
    mend = "--last takes the trend.json of a report, or a file of benchmarks/reports/"
    found = None if last is None else sources.read_json(last, of_trend, mend)
    if last is not None and found is None:
        raise sources.DamagedError(f"{last} is no file: {mend}")
    return found or {}


def leave(texts: Mapping[str, str], out: Path, keep: str | None) -> None:
    """Write the report, and put it among those of the releases where it is to be kept.

    Raises:
        OSError: it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
        if keep:
            KEPT.mkdir(exist_ok=True)
            (KEPT / f"{keep}.{NAMES[name]}").write_text(text, encoding="utf-8")


def say(compared: Sequence[Compared], unmeasured: Sequence[Gate]) -> None:
    """Print what got worse, what fails and what nobody measured."""
    for one in compared:
        if one.said == "WORSE" or one.verdict in {"FAIL", "UNDECIDED"}:
            noise = "" if one.figure.noise is None else f", noise {one.figure.noise:g}"
            limit = "" if one.gate is None or one.gate.limit is None else f", limit {one.gate.limit:g}"
            word = one.verdict or "WORSE"
            sys.stdout.write(f"{word} {one.figure.name}: {one.figure.value:g} (last: {one.last}{noise}{limit})\n")
    for gate in unmeasured:
        sys.stdout.write(f"FAIL {gate.name}: not measured\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the benchmarks left what they saw")
    parser.add_argument("--out", type=Path, default=Path("runs/report"))
    parser.add_argument("--last", type=Path, help="figures of the last release; by default the newest kept ones")
    parser.add_argument("--keep", metavar="VERSION", help="put the report into benchmarks/reports/ under this version")
    given = parser.parse_args(arguments)
    if given.keep is not None and not VERSION.fullmatch(given.keep):
        parser.error(f"--keep {given.keep!r} is no version, like 1.2.0")
    if not given.runs.is_dir():
        sys.stderr.write(f"{given.runs} is no folder: run nox -s bench load first, or name the folder by --runs\n")
        return 4
    last = last_release(given.last, given.keep)
    try:
        draft, by_rig = write(given.runs)
        earlier = earlier_figures(last)
    except sources.DamagedError as error:
        sys.stderr.write(f"no report: {error}\n")
        return 4
    listed, measured_at = gates(), sources.commits(given.runs)
    compared, unmeasured = compare(draft.figures, earlier, listed), missing(draft.figures, listed)
    if lost := gone(draft.figures, earlier):
        draft.absent.append(f"Figures of the last release that this one has not: {', '.join(lost)}.")
    failing = [one.figure.name for one in compared if one.fails] + [gate.name for gate in unmeasured]
    decides = sections.gating(compared, unmeasured, last.stem if last else "", strangers(measured_at))
    undecided = sum(one.verdict == "UNDECIDED" for one in compared)
    parts = [decides, *draft.parts, sections.others(compared), sections.not_run(by_rig, draft.absent)]
    parts.append(about(measured_at))
    words = f"{len(failing) or 'no'} gating figure{'s fail' if len(failing) > 1 else ' fails'}"
    words += f", {undecided} not to be told for the noise" if undecided else ""
    title = f"ml-metrics-bridge {given.keep or 'unreleased'}: {words}"
    trend = json.dumps([one.as_json() for one in draft.figures], indent=2) + "\n"
    texts = {"report.html": page(title, parts), "report.md": markdown(title, parts), "trend.json": trend}
    try:
        leave(texts, given.out, given.keep)
    except OSError as error:
        sys.stderr.write(f"the report cannot be written: {error}; name another folder by --out\n")
        return 4
    say(compared, unmeasured)
    sys.stdout.write(f"{given.out / 'report.html'} (and report.md, trend.json)\n")
    return 1 if failing else 2 if undecided else 0


if __name__ == "__main__":
    sys.exit(main())

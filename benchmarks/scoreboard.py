"""Contestants side by side, promise by promise, from the records of their runs.

    python -m benchmarks.scoreboard NAME=FOLDER [NAME=FOLDER ...] [--into FILE]

FOLDER holds the run folders of one contestant (what ``python -m harness run --bridge COMMAND --out FOLDER`` leaves).
The table goes to the screen, or between the two markers of a Markdown file, so that nobody types a figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import batch
from harness.checks import CheckResult, Verdict
from harness.promises import load as load_promises
from harness.record import RecordError
from harness.reports.figures import figure
from harness.verdict import Judgement

BEGIN, END = "<!-- scoreboard: begin -->", "<!-- scoreboard: end -->"


def table(contestants: Mapping[str, Sequence[Judgement]]) -> str:
    """Return a Markdown table: a row for each promise, a column for each contestant."""
    lines = [f"| promise | {' | '.join(contestants)} |", f"|---|{'---|' * len(contestants)}"]
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
        saw = "never" if worst.measured is None else f"{figure(worst.measured)} {worst.unit}"
        return f"**broken** in {places} of {len(scenarios)}: {worst.check} {saw} ({judgement.scenario})"
    if undecided:
        return f"undecided in {len(undecided)} of {len(scenarios)}"
    return f"kept in {len(scenarios)}"


def share_of_limit(result: CheckResult) -> float:
    """Return the margin as a share of the limit, so that seconds and lost writes can stand in one order."""
    return float("-inf") if result.margin is None else result.margin / (result.limit or 1)


def judged(folder: Path) -> list[Judgement]:
    """Judge every run of a contestant again, from the folders alone.

    Raises:
        SystemExit: there is none, or one cannot be read.
    """
    folders = batch.run_folders(folder)
    if not folders:
        raise SystemExit(f"{folder} holds no run folders")
    try:
        return [batch.judge_folder(run) for run in folders]
    except RecordError as error:
        raise SystemExit(str(error)) from None


def put_into(file: Path, text: str) -> None:
    """Replace what stands between the markers of a Markdown file.

    Raises:
        SystemExit: the file has no markers.
    """
    old = file.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{file} has no line {BEGIN} and {END} behind it")
    file.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the records, print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoreboard", description="Contestants side by side.")
    parser.add_argument("contestants", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--into", type=Path, help="a Markdown file with the two markers")
    given = parser.parse_args(arguments)
    pairs = [text.partition("=") for text in given.contestants]
    if any(not folder for _, _, folder in pairs):
        parser.error("each contestant is NAME=FOLDER")
    text = table({name: judged(Path(folder)) for name, _, folder in pairs})
    if given.into is None:
        sys.stdout.write(text)
    else:
        put_into(given.into, text)


if __name__ == "__main__":
    main()

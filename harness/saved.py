"""Saved records, judged again; and the reports that are left beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import batch
from harness.catalogue import SelectionError
from harness.checks import Verdict
from harness.ledger import LedgerError
from harness.record import RecordError
from harness.reports import REPORTS, Judged
from harness.verdict import Judgement

SUMMARIES: Mapping[str, str] = {
    "summary.html": "html",
    "summary.md": "markdown",
    "junit.xml": "junit",
    "trend.json": "trend",
}
"""What `harness run` leaves in ``--out``, of its latest runs: file and report."""


def judged_again(paths: Sequence[Path], *, save: bool) -> list[Judged]:
    """Judge run folders, or all that stand in a folder, from the folders alone; a damaged one is a HARNESS ERROR.

    Raises:
        SelectionError: a folder is no run's and holds none.
    """
    runs: list[Judged] = []
    for path in paths:
        folders = batch.run_folders(path)
        if not folders:
            raise SelectionError(f"{path} is no run folder and holds none: it has no run.json")
        for folder in folders:
            try:
                judgement = batch.judge_folder(folder, save=save)
            except (RecordError, LedgerError, OSError) as error:
                judgement = Judgement(folder.name, "", Verdict.HARNESS_ERROR, f"{error}.", folder.name)
            except Exception as error:  # noqa: BLE001 - one record that nobody can judge must not hide the others
                reason = f"The record cannot be judged: {type(error).__name__}: {error}."
                judgement = Judgement(folder.name, "", Verdict.HARNESS_ERROR, reason, folder.name)
            runs.append(Judged(judgement, folder))
    return runs


def write_report(form: str, runs: Sequence[Judged], path: Path) -> None:
    """Write one report into a file.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(REPORTS[form](runs).encode("utf-8", errors="backslashreplace"))


def write_summaries(judgements: Sequence[Judgement], out: Path) -> None:
    """Leave the summaries of these runs beside their records; those of earlier runs are replaced.

    Raises:
        OSError: one of them cannot be written.
    """
    runs = [Judged(judgement, out / judgement.run if judgement.run else None) for judgement in judgements]
    for name, form in SUMMARIES.items():
        write_report(form, runs, out / name)

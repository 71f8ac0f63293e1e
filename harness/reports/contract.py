"""What a report is: a function from judged runs to one text."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.ledger import LedgerError
from harness.record import Meta, RecordError, RunRecord
from harness.record_folder import load as load_record
from harness.verdict import Judgement, scenario_of


@dataclass(frozen=True, slots=True)
class Judged:
    """One run's verdict, and where its record is: a report that draws what was seen reads it there."""

    judgement: Judgement
    folder: Path | None = None
    """The run's folder; None: it was not run."""

    @property
    def readable(self) -> bool:
        """Whether the run left a record that can be read, or was not run at all."""
        return self.folder is None or self.record() is not None

    def record(self) -> RunRecord | None:
        """Read what the run saw; None: it was not run, or left no record that can be read."""
        if self.folder is None:
            return None
        try:
            record = load_record(self.folder)
            scenario_of(record)
        except (RecordError, LedgerError, OSError):
            return None
        return record


Report = Callable[[Sequence[Judged]], str]


def of_verdicts(render: Callable[[Sequence[Judgement]], str]) -> Report:
    """Make a report of a function that asks for the verdicts alone."""

    @functools.wraps(render)
    def report(runs: Sequence[Judged]) -> str:
        return render([run.judgement for run in runs])

    return report


def command_to_repeat(meta: Meta) -> str:
    """Return the command line that makes this run again; the harness's own bridge need not be named."""
    words = ["python", "-m", "harness", "run", meta.scenario, "--rig", meta.rig, "--seed", str(meta.seed)]
    if meta.bridge_command[1:] != ("-m", "bridge"):
        words += ["--bridge", shlex.join(meta.bridge_command)]
    return shlex.join(words)

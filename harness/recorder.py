"""Writes a run's folder as the run goes; see `record.py` for what stands in it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from harness import seal
from harness.record import LINE_FILES, Meta, RecordError
from harness.samples import MachineSample, ResourceSample

_SAMPLES: dict[type, str] = {
    ResourceSample: "resources.jsonl",
    MachineSample: "machine.jsonl",
}
"""Which file takes which kind of sample."""
_MEND = "make room there, or give another folder with --out"


class Recorder:
    """Appends to one run's folder. Safe to use from several threads.

    Args:
        run_dir: the folder; made when it is not there.
        meta: what the run is.
        scenario: the scenario as JSON.
        clock: CLOCK_MONOTONIC in seconds.

    Raises:
        RecordError: the folder holds a run already, or cannot be written.
    """

    def __init__(
        self,
        run_dir: Path,
        meta: Meta,
        scenario: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run_dir = run_dir
        self._clock = clock
        self._meta = meta
        self._lock = threading.Lock()
        self._problem: OSError | None = None
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            if (run_dir / "run.json").exists():
                raise RecordError(f"{run_dir} holds a run already: name another folder")
            self._save_meta()
            (run_dir / "scenario.json").write_text(json.dumps(scenario, indent=2) + "\n", encoding="utf-8")
            self._files: dict[str, IO[str]] = {
                name: (run_dir / name).open("a", encoding="utf-8") for name in ("events.jsonl", *_SAMPLES.values())
            }
        except OSError as problem:
            raise RecordError(f"no record can be written to {run_dir}: {problem}; {_MEND}") from problem

    def check(self) -> None:
        """See that everything could be written so far.

        Raises:
            RecordError: something could not; says what to do.
        """
        if self._problem is not None:
            raise RecordError(f"the record in {self.run_dir} cannot be written: {self._problem}; {_MEND}")

    def event(self, kind: str, t: float | None = None, **data: object) -> None:
        """Append an event; ``t`` is now unless given (CLOCK_MONOTONIC, seconds)."""
        self._append("events.jsonl", {"t": self._clock() if t is None else t, "kind": kind, "data": data})

    def sample(self, sample: ResourceSample | MachineSample) -> None:
        """Append a sample, its ``t`` on CLOCK_MONOTONIC; what it does not know is left out."""
        known = {name: value for name, value in asdict(sample).items() if value is not None}
        self._append(_SAMPLES[type(sample)], known)

    def finish(self, *, error: str | None, interrupted: bool) -> None:
        """Close the record and seal it: nothing is appended from now on. An interrupted one gets no seal.

        What could not be written is an error of the run.

        Raises:
            RecordError: the folder cannot be written.
        """
        with self._lock:
            files, self._files = self._files, {}
        try:
            for file in files.values():
                self._close(file)
            if self._problem is not None and error is None:
                error = f"the record cannot be written: {self._problem}; {_MEND}"
            self._meta = replace(
                self._meta,
                complete=True,
                error=error,
                interrupted=interrupted,
                ended=self._clock(),
                lines={name: _count_lines(self.run_dir / name) for name in self._line_files()},
            )
            self._save_meta()
            if not interrupted:
                seal.write(self.run_dir)
        except OSError as problem:
            raise RecordError(f"the record in {self.run_dir} cannot be completed: {problem}; {_MEND}") from problem

    def _close(self, file: IO[str]) -> None:
        """What could not be written before cannot be now."""
        try:
            file.close()
        except OSError as problem:
            self._problem = self._problem or problem

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, separators=(",", ":"))
        with self._lock:
            if (file := self._files.get(name)) is None or self._problem is not None:
                return
            try:
                file.write(text + "\n")
                file.flush()
            except OSError as problem:  # told at the run's next look, not to whichever thread had something to say
                self._problem = problem

    def _line_files(self) -> list[str]:
        later_ledgers = [path.name for path in self.run_dir.glob("ledger-*.jsonl")]
        return [*LINE_FILES, *sorted(later_ledgers)]

    def _save_meta(self) -> None:
        unfinished = self.run_dir / "run.json.tmp"
        unfinished.write_text(json.dumps(asdict(self._meta), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(self.run_dir / "run.json")


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0

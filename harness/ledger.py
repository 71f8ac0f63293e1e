"""Reads ``ledger.jsonl``, which the job writes: what was in the metrics file, and when; one for each of its processes.

The lines are described in `mock_ml_job/ledger.py`; any job that writes them can be judged. This reader trusts none of
them: verdicts stand on the ledger, so a line that cannot be is an error and not a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.record import JobProcess, Ledger, RecordError, Write


class LedgerError(RecordError):
    """A line of the ledger is not as it must be; the message names file, line and reason."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.line = line


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Count = Annotated[int, Field(ge=0)]


class _StartLine(_Line):
    kind: Literal["start"]
    t: float
    pid: int
    job: str
    job_id: str = ""
    model_name: str = ""
    dataset: str = ""
    period_seconds: Annotated[float, Field(ge=0)]
    write_mode: str


class _WriteLine(_Line):
    kind: Literal["write"]
    sequence: Annotated[int, Field(ge=1)]
    t: float
    due: float
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    values: dict[str, int | float]


class _Orders(_Line):
    paused: bool
    torn_hold_seconds: Annotated[float, Field(ge=0)]
    finish: bool
    backdated: bool = False
    spoiled_fields: list[str] = []
    spoiled_by: str = ""


class _ControlLine(_Line):
    kind: Literal["control"]
    t: float
    applied: _Orders


class _EndLine(_Line):
    kind: Literal["end"]
    t: float
    writes: _Count
    missed: _Count


_AnyLine = Annotated[_StartLine | _WriteLine | _ControlLine | _EndLine, Field(discriminator="kind")]
_LINE: TypeAdapter[_StartLine | _WriteLine | _ControlLine | _EndLine] = TypeAdapter(_AnyLine)


def paths(run_dir: Path, *, also: Iterable[str] = ()) -> list[Path]:
    """Return where the ledgers of a run's job processes stand, or should stand, in the order of their starts.

    Args:
        run_dir: the run's folder.
        also: names of files that were there at the run's end.
    """
    names = {name for name in also if name.startswith("ledger-")} | {
        path.name for path in run_dir.glob("ledger-*.jsonl")
    }
    return [run_dir / "ledger.jsonl", *(run_dir / name for name in sorted(names, key=_number))]


def _number(name: str) -> int:
    digits = name.removeprefix("ledger-").removesuffix(".jsonl")
    return int(digits) if digits.isdecimal() else 0


def merged(ledgers: Sequence[Ledger]) -> Ledger:
    """Make one ledger of those of the job's processes: the file is one register, whoever writes it."""
    if len(ledgers) == 1:
        return ledgers[0]
    numbered = [
        replace(write, process=number) for number, ledger in enumerate(ledgers, start=1) for write in ledger.writes
    ]
    numbered.sort(key=lambda write: write.t)
    last = numbered[-1].process - 1 if numbered else len(ledgers) - 1
    return Ledger(
        writes=tuple(replace(write, sequence=place) for place, write in enumerate(numbered, start=1)),
        period_seconds=next((one.period_seconds for one in ledgers if one.period_seconds is not None), None),
        pauses=tuple(sorted(pause for one in ledgers for pause in one.pauses)),
        ended=ledgers[last].ended,
        missed=sum(one.missed for one in ledgers),
        processes=tuple(
            replace(process, number=number) for number, one in enumerate(ledgers, start=1) for process in one.processes
        ),
    )


def read(path: Path, *, origin: float = 0.0) -> Ledger:
    """Read a ledger; its times become seconds since ``origin`` (CLOCK_MONOTONIC, seconds).

    A last line that was cut, because the job was killed while it wrote it, is left out. No file, or an empty one, is an
    empty ledger: the job never started. A pause that was never ended lasts until the job's end, or for ever
    (``math.inf``) where that is not known either. ``missed`` is 0 where the job never said its end.

    Raises:
        LedgerError: a line that is not as it must be.
        RecordError: the file is there and cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    story = _Story(path, origin)
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        try:
            parsed = _LINE.validate_json(line)
        except ValidationError as error:
            if not line.endswith(b"\n"):
                break
            raise LedgerError(path, number, _reason(error)) from error
        story.add(parsed, number)
    return story.ledger()


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]


class _Story:
    """What the lines tell one after the other, and whether each can follow those before it."""

    def __init__(self, path: Path, origin: float) -> None:
        self._path = path
        self._origin = origin
        self._start: _StartLine | None = None
        self._end: _EndLine | None = None
        self._writes: list[Write] = []
        self._pauses: list[tuple[float, float]] = []
        self._paused_since: float | None = None
        self._newest = -math.inf

    def add(self, line: _StartLine | _WriteLine | _ControlLine | _EndLine, number: int) -> None:
        reason = self._contradiction(line)
        if reason:
            raise LedgerError(self._path, number, reason)
        self._newest = line.t
        t = line.t - self._origin
        match line:
            case _StartLine():
                self._start = line
            case _WriteLine():
                job_id = "" if self._start is None else self._start.job_id
                due = line.due - self._origin
                self._writes.append(Write(line.sequence, t, due, line.sha256, line.values, job_id))
            case _ControlLine():
                self._control(t, paused=line.applied.paused)
            case _EndLine():
                self._end = line

    def ledger(self) -> Ledger:
        ended = None if self._end is None else self._end.t - self._origin
        pauses = list(self._pauses)
        if self._paused_since is not None:
            pauses.append((self._paused_since, math.inf if ended is None else ended))
        return Ledger(
            writes=tuple(self._writes),
            period_seconds=None if self._start is None else self._start.period_seconds,
            pauses=tuple(pauses),
            ended=ended,
            missed=0 if self._end is None else self._end.missed,
            processes=self._processes(ended),
        )

    def _processes(self, ended: float | None) -> tuple[JobProcess, ...]:
        start = self._start
        if start is None:
            return ()
        return (JobProcess(1, start.pid, start.job_id, start.t - self._origin, ended, start.model_name, start.dataset),)

    def _control(self, t: float, *, paused: bool) -> None:
        if paused and self._paused_since is None:
            self._paused_since = t
        elif not paused and self._paused_since is not None:
            self._pauses.append((self._paused_since, t))
            self._paused_since = None

    def _contradiction(self, line: _StartLine | _WriteLine | _ControlLine | _EndLine) -> str | None:
        """Why this line cannot follow those before it; None when it can."""
        if (self._start is None) != isinstance(line, _StartLine):
            return "the first line, and no other, must be of kind start"
        if self._end is not None:
            return f"a line of kind {line.kind} after the job's end"
        if line.t < self._newest:
            return f"t={line.t} is earlier than {self._newest} of the line before"
        if isinstance(line, _WriteLine) and line.sequence != len(self._writes) + 1:
            return f"sequence {line.sequence} where {len(self._writes) + 1} must follow"
        if isinstance(line, _EndLine) and line.writes != len(self._writes):
            return f"the job says {line.writes} writes, the ledger has {len(self._writes)}"
        return None

"""Harm by what the job writes: fields that are not as they should be, files that look older than they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.file import NoParameters
from harness.job_control import JobError
from harness.scenario import Strict
from harness.waiting import WaitedTooLongError

_LOOK_SECONDS = 0.01
_BACKDATED_SECONDS_MIN = 1800.0
FieldName = Literal[
    "timestamp",
    "job_id",
    "model_name",
    "dataset",
    "start_time",
    "epoch",
    "batch_number",
    "training_loss",
    "validation_loss",
    "accuracy",
    "learning_rate",
    "gpu_utilization",
    "processing_time_ms",
    "samples_per_second",
]
METRICS: tuple[FieldName, ...] = get_args(FieldName)[5:]


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Spoiled(Strict):
    """Parameters of `JobSpoilsFields`."""

    by: Annotated[str, Field(min_length=1)]
    """What stands there in place of the value, as it is: ``true``, ``"0.5"``, ``NaN``, ..."""
    fields: Annotated[tuple[FieldName, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = METRICS
    """One after the other is spoiled, a new one with each write; keys as in the file."""
    at_once: Annotated[int, Field(ge=1)] = 2
    """How many writes with a spoiled field each verify wants to see."""


class JobSpoilsFields:
    """In each write one field has a wrong value; the others are as they should be."""

    def __init__(self, ground: Ground, parameters: Spoiled) -> None:
        self._ground = ground
        self._parameters = parameters
        self._spelled = _normal(parameters.by)

    def inject(self) -> str:
        """Tell the job what to spoil."""
        self._tell(self._parameters.fields, self._parameters.by)
        return f"one of {len(self._parameters.fields)} fields is {self._parameters.by[:40]} in each write"

    def verify(self) -> Seen:
        """Read the file until spoiled fields were seen in several writes."""
        wanted = self._parameters.at_once
        within = (wanted + 2) * self._ground.job.period_seconds + 1.0
        seen: dict[bytes, str] = {}

        def enough() -> bool:
            self._look(seen)
            return len(seen) >= wanted

        try:
            self._ground.patience.until(enough, within=within, what="spoiled writes", every=_LOOK_SECONDS)
        except WaitedTooLongError:
            return Seen(ok=False, evidence=f"{len(seen)} spoiled writes seen in {within:.1f} s, wanted {wanted}")
        return Seen(ok=True, evidence=f"seen on disk: {', '.join(seen.values())} spoiled")

    def heal(self) -> str:
        """Tell the job to write whole documents again."""
        if not self._ground.job.alive:
            return "the job has ended: nobody writes"
        self._tell((), "null")
        return "all fields are whole again"

    def _look(self, seen: dict[bytes, str]) -> None:
        try:
            data = self._ground.metrics_file.read_bytes()
            document = json.loads(data, parse_constant=lambda word: f"={word}", parse_int=float)
        except (OSError, ValueError):
            return
        sections = (document, *(part for part in document.values() if isinstance(part, dict)))
        found = [
            field
            for field in self._parameters.fields
            for part in sections
            # 1 and 1.0 are equal to True
            if type(value := part.get(field, self)) is type(self._spelled) and value == self._spelled
        ]
        if found:
            seen[data] = found[0]

    def _tell(self, fields: Sequence[str], by: str) -> None:
        try:
            self._ground.job.spoil(fields, by)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be told: {problem}") from problem


def _normal(text: str) -> object:
    """What a reader finds there, so that it can be compared: NaN is not equal to itself."""
    try:
        return json.loads(text, parse_constant=lambda word: f"={word}", parse_int=float)
    except ValueError as problem:
        raise FaultError(f"{text!r} would break the whole file, not one field: {problem}") from problem


class JobBackdatesWrites:
    """Each file looks older than the one before: a clock that was set back, files copied with their times."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._ground = ground

    def inject(self) -> str:
        """Tell the job."""
        self._tell(backdated=True)
        return "the job backdates its writes"

    def verify(self) -> Seen:
        """Look until the file's time went backwards from one write to the next."""
        within = 4 * self._ground.job.period_seconds + 1.0
        times: list[float] = []

        def backwards() -> bool:
            mtime = self._mtime()
            if mtime is not None and mtime not in times[-1:]:
                times.append(mtime)
            return len(times) > 1 and times[-1] < times[-2]

        try:
            self._ground.patience.until(backwards, within=within, what="a file older than before", every=_LOOK_SECONDS)
        except WaitedTooLongError:
            return Seen(ok=False, evidence=f"in {within:.1f} s the file's time did not go backwards")
        return Seen(ok=True, evidence=f"the file's time went back by {times[-2] - times[-1]:.1f} s")

    def heal(self) -> str:
        """Tell the job to let the files have the time they have."""
        if not self._ground.job.alive:
            return "the job has ended: nobody writes"
        self._tell(backdated=False)
        return "the files have their own times again"

    def _mtime(self) -> float | None:
        try:
            return self._ground.metrics_file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _tell(self, *, backdated: bool) -> None:
        try:
            self._ground.job.backdate(backdated)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be told: {problem}") from problem

"""The declared format of a scenario file: strict, frozen, without behaviour.

Durations are written as text with a unit (``500ms``, ``2s``, ``1.5m``) and held as float seconds, memory likewise
(``64MiB``) and held as bytes. `loading.py` reads the files and gives every problem its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)

RigName = Literal["embedded", "local", "compose", "kubernetes"]
Profile = Literal["smoke", "bench", "soak"]
PhaseKind = Literal["warm-up", "steady", "fault", "recovery", "drain"]
Need = Literal[
    "toxiproxy",
    "collector-memory",
    "prometheus",
    "answering-sink",
    "own-processes",
    "local-files",
    "cluster",
    "memory-limit",
]
"""What not every rig has. A scenario whose fault or check needs it is NOT RUN where it is missing.

``own-processes``: what the harness itself starts, signals, kills and starts again. ``local-files``: the metrics file is
one of this machine's. ``cluster``: the collector and the bridge are in one, which keeps the first and tells the
second to end. ``memory-limit``: a limit for the bridge's.
"""

_DURATION = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h)")
RUN_FOLDER = "{run}"
SERVICE_NAME = "bridge-under-test"
"""The OTEL_SERVICE_NAME that every bridge is given, unless its scenario gives another one."""
_RECORDED = "recorded"
SECONDS_MAX = 24 * 3600.0
"""No step, period or budget of a scenario is longer than a day: beyond it a unit was mistaken."""
_MEMORY = re.compile(r"(?P<number>\d+)\s*(?P<unit>MiB|GiB)")
_BYTES = {"MiB": 2**20, "GiB": 2**30}
MEMORY_BYTES_MIN, MEMORY_BYTES_MAX = 6 * 2**20, 64 * 2**30
"""Docker starts no container with less; with more than that a unit was mistaken."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> float:
    """Turn ``"500ms"``, ``"2s"``, ``"1.5m"`` or ``"1h"`` into seconds.

    Raises:
        ValueError: the value is no text of that form, negative, or longer than `SECONDS_MAX`.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no duration: write a number and a unit, for example 500ms, 2s, 1.5m or 1h")
    seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if seconds < 0:
        raise ValueError(f"{value!r} is negative: a duration is 0s or longer")
    return _bounded(seconds, value)


def _bounded(seconds: float, value: object) -> float:
    if not 0 <= seconds <= SECONDS_MAX:
        raise ValueError(f"{value!r:.40} is too long: a duration is {SECONDS_MAX / 3600:g}h at most")
    return seconds


def _seconds(value: object, info: ValidationInfo) -> float:
    """Read a duration; in a record it is a number already."""
    if info.context == _RECORDED and isinstance(value, int | float) and not isinstance(value, bool):
        return _bounded(value, value) * 1.0
    return parse_duration(value)


def parse_memory(value: object) -> int:
    """Turn ``"40MiB"`` or ``"1GiB"`` into bytes.

    Raises:
        ValueError: the value is no text of that form, or outside of `MEMORY_BYTES_MIN` to `MEMORY_BYTES_MAX`.
    """
    match = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{value!r} is no amount of memory: write a whole number and a unit, for example 64MiB or 1GiB"
        )
    return _bounded_memory(int(match["number"]) * _BYTES[match["unit"]], value)


def _bounded_memory(found: int, value: object) -> int:
    if not MEMORY_BYTES_MIN <= found <= MEMORY_BYTES_MAX:
        raise ValueError(f"{value!r:.40} is out of bounds: a memory limit is from 6MiB to 64GiB")
    return found


def _bytes(value: object, info: ValidationInfo) -> int:
    """Read an amount of memory; in a record it is a number already."""
    if info.context == _RECORDED and isinstance(value, int) and not isinstance(value, bool):
        return _bounded_memory(value, value)
    return parse_memory(value)


DURATION_SCHEMA = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h)$", "examples": ["500ms", "2s", "1.5m"]}
"""What an editor is told of a duration."""

MEMORY_SCHEMA = {"type": "string", "pattern": r"^\d+\s*(MiB|GiB)$", "examples": ["64MiB"]}
"""What an editor is told of an amount of memory."""

MemoryBytes = Annotated[int, BeforeValidator(_bytes), WithJsonSchema(MEMORY_SCHEMA)]
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(DURATION_SCHEMA)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class Strict(BaseModel):
    """Frozen; an unknown key is an error. The text below a field is what an editor shows of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class JobSpec(Strict):
    """The job beside the bridge, and how it writes."""

    kind: Literal["mock", "train"] = "mock"
    write_period: Seconds = 2.0
    write_mode: Literal["rename", "in-place", "symlink"] = "rename"
    epochs: Annotated[int, Field(ge=1)] = 100_000
    batches_per_epoch: Annotated[int, Field(ge=1)] = 100
    ends_by_itself: bool = False
    """True: the run waits for the job's own end. False: the harness asks for one last write and the end."""


class StartSpec(Strict):
    """How the run begins: usually the job first, then the bridge."""

    job_after: Seconds = 0.0
    """More than 0: the bridge first, and so much later the job. A bridge that never gets ready is then judged, no error
    of the harness: not to be there for the first value is what such a scenario is about."""
    without_folder: bool = False
    """The metrics file's folder is not there either until the job makes it."""


class BridgeSpec(Strict):
    """Settings of the bridge under test. Only the contract's variables, so that any bridge can be put under it."""

    interval: Seconds = 1.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    obeys_permissions: bool = False
    """True: bound by the permissions of files, as in production, also where the harness and so the bridge is root."""
    memory_limit: MemoryBytes | None = None
    """The most memory that the bridge's container may have (no swap beside it); none of its own: the rig's."""
    env: dict[str, str] = {}
    """Further variables. A scenario that needs one of these speaks of our bridge alone.

    ``{run}`` in a value stands for the run's folder.
    """


class FaultSpec(Strict):
    """One fault by its name in the table of faults, with its parameters."""

    fault: Slug
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}


class SteadyStep(Strict):
    """Nothing is broken for so long."""

    steady: Seconds
    name: Slug | None = None


class InnerFault(FaultSpec):
    """A second fault while another one holds: ``after`` so long, ``for`` so long, and gone before the other one."""

    after: Seconds
    for_: Annotated[Seconds, Field(alias="for")]


class FaultStep(FaultSpec):
    """A fault: inject, verify, hold for so long, verify again, heal; then time to recover."""

    for_: Annotated[Seconds, Field(alias="for")]
    recovery: Seconds = 0.0
    inner: InnerFault | None = None
    name: Slug | None = None


def _step_form(step: object) -> str:
    """Tell a step's form by the key that only this form has, so that errors speak of one form."""
    keys = step if isinstance(step, dict) else vars(step) if isinstance(step, BaseModel) else {}
    return "steady-step" if "steady" in keys else "fault-step"


Step = Annotated[
    Annotated[SteadyStep, Tag("steady-step")] | Annotated[FaultStep, Tag("fault-step")], Discriminator(_step_form)
]


class StopSpec(Strict):
    """How the run ends: the job first, at once after its last write the bridge, unless ``at`` says otherwise."""

    signal: Literal["TERM", "INT"] = "TERM"
    at: Literal["last-write", "mid-write", "starting", "deletion"] = "last-write"
    """When the signal comes: after the job's last write, while half of it stands in the file, or, after the last write,
    to a bridge that was killed before it and has just begun to start again. ``deletion``: the pod of both is deleted
    while the job writes."""
    grace: Seconds = 20.0
    """After the signal, how long until the harness kills the bridge (recorded; a FAIL of the shutdown promise)."""
    under: FaultSpec | None = None
    """A fault that holds while the bridge stops."""


class CheckSpec(Strict):
    """One check of the record against one promise's budget."""

    check: Slug
    promise: Slug
    during: tuple[str, ...] = ()
    """Phase kinds or step names that are judged; empty: all but warm-up and drain."""
    at_most: float | None = None
    """A stricter limit than the promise's documented one, in the budget's unit. A looser one is an error."""
    samples_at_least: Annotated[int, Field(ge=1)] | None = None
    """More samples than the check itself asks for. Fewer is an error."""
    keeps_at_least: Annotated[int, Field(ge=1)] | None = None
    """Only for a check that lets something be lost: how many writes of each outage must not be."""
    stable_for: Seconds | None = None
    """Only for a check that waits for a state: how long it must last; 3 s unless given."""
    pattern: str | None = None
    """Only for a check of the bridge's log, which needs it: a regular expression, searched in each line."""


def _with_aliases(recorded: object) -> object:
    """Python cannot name a field ``with`` or ``for``; a dump by field names writes ``with_`` and ``for_``."""
    if isinstance(recorded, Mapping):
        return {{"with_": "with", "for_": "for"}.get(key, key): _with_aliases(inner) for key, inner in recorded.items()}
    if isinstance(recorded, list | tuple):
        return [_with_aliases(inner) for inner in recorded]
    return recorded


class Scenario(Strict):
    """One scenario, variants already resolved."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?$")]
    what: Annotated[str, Field(min_length=10)]
    why: Annotated[str, Field(min_length=10)]
    tags: tuple[Slug, ...] = ()
    profile: Profile = "smoke"
    rigs: tuple[RigName, ...] = ("embedded", "local", "compose", "kubernetes")
    start: StartSpec = StartSpec()
    job: JobSpec = JobSpec()
    bridge: BridgeSpec = BridgeSpec()
    ready_within: Seconds = 20.0
    """From the bridge's start to its first metric at the sink. Later is a FAIL where a call of the harness's own came
    through on the same way, before and after; else a HARNESS ERROR."""
    warm_up: Seconds = 2.0
    timeline: tuple[Step, ...]
    settle: Seconds = 0.0
    stop: StopSpec = StopSpec()
    checks: Annotated[tuple[CheckSpec, ...], Field(min_length=1)]

    @classmethod
    def from_record(cls, recorded: Mapping[str, Any]) -> Self:
        """Build the scenario of a record's ``scenario.json``, in which durations are float seconds.

        Raises:
            pydantic.ValidationError: the recorded scenario does not fit this version of the format.
        """
        return cls.model_validate_json(json.dumps(_with_aliases(recorded)), context=_RECORDED)

    @property
    def planned_seconds(self) -> float:
        """How long it takes from being ready to the stop, where everything goes as it should."""
        steps = sum(one.steady if isinstance(one, SteadyStep) else one.for_ + one.recovery for one in self.timeline)
        return self.warm_up + steps + self.settle

    @property
    def phase_names(self) -> tuple[tuple[str, PhaseKind], ...]:
        """Every phase of the run in order: name and kind. A step without a name is called by kind and number."""
        phases: list[tuple[str, PhaseKind]] = [("before-the-job", "warm-up")] if self.start.job_after else []
        phases.append(("warm-up", "warm-up"))
        for number, step in enumerate(self.timeline, start=1):
            if isinstance(step, SteadyStep):
                phases.append((step.name or f"steady-{number}", "steady"))
                continue
            name = step.name or f"{step.fault}-{number}"
            phases.append((name, "fault"))
            if step.recovery:
                phases.append((f"{name}-recovery", "recovery"))
        if self.settle:
            phases.append(("settle", "steady"))
        phases.append(("drain", "drain"))
        return tuple(phases)

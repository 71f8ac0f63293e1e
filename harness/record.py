"""RunRecord: all that a run saw, as versioned data in one folder; save, load, nothing judged.

The folder is appended to as the run goes, so an interrupted run has its part:

=================  =========================================================================
``run.json``       `Meta`: written at the start, again at the end with ``complete: true``
``scenario.json``  the scenario as it was run, variants resolved (JSON of `harness.scenario.Scenario`)
``events.jsonl``   `Event` lines: phases, faults, processes
``ledger.jsonl``   what the job wrote, by the job itself (see `harness/ledger.py`)
``exports.jsonl``  `Export` lines, by the recording sink, one for each Export call
``resources.jsonl``  `ResourceSample` lines
``wire.jsonl``     `WireSample` lines: bytes on the wire between bridge and collector
``bridge.log`` ``job.log`` ``sink.log`` ``relay.log``  what the processes printed
=================  =========================================================================

Every ``t`` in these files is CLOCK_MONOTONIC in seconds, which all processes of one machine share. `load` turns it into
seconds since the run's origin. Wall time stands once, in `Meta`, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Meta:
    """What a run was, apart from what it saw."""

    schema_version: int
    run: str
    """The folder's name: scenario, rig and wall time."""
    scenario: str
    rig: str
    bridge_command: tuple[str, ...]
    seed: int
    started_at: str
    """Wall time, ISO 8601 with offset; for people only."""
    origin: float
    """CLOCK_MONOTONIC at the run's start, seconds."""
    versions: dict[str, str]
    machine: dict[str, str | int | float]
    commit: str | None = None
    complete: bool = False
    error: str | None = None
    """Why the harness could not carry out the run, in one sentence with the mend; then the verdict is HARNESS ERROR."""
    interrupted: bool = False
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the runner did or noticed, at a moment.

    ``kind`` and what ``data`` then holds:

    - ``phase``: ``name``, ``phase`` (a PhaseKind); a phase lasts until the next one begins or the run ends
    - ``fault``: ``step``, ``fault``, ``action`` (inject | verify | heal), ``ok``, ``evidence`` (what was seen, one sentence)
    - ``process``: ``role`` (job | bridge | sink | relay | ...), ``action`` (started | ready | signalled | exited | killed),
      and where known ``pid``, ``create_time``, ``signal``, ``exit_code``
    - ``note``: ``text``
    """

    t: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the job, visible to readers at ``t``."""

    sequence: int
    t: float
    due: float
    """When the open schedule wanted it."""
    sha256: str
    values: dict[str, float | int]
    """The training_metrics of that write."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the job wrote: see `harness/ledger.py` for the file."""

    writes: tuple[Write, ...] = ()
    period_seconds: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    """Spans in which the job was told not to write."""
    ended: float | None = None
    """When the job said its end; None: it never did."""
    missed: int = 0
    """Writes that the schedule wanted and that were skipped because their time had passed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One data point as it reached the sink."""

    metric: str
    kind: str
    """gauge | sum | histogram"""
    value: float | int | None
    """The number; for a histogram its sum; None where the no-recorded-value flag stands."""
    time_unix_nano: int
    start_time_unix_nano: int
    attributes: dict[str, str | int | float | bool]
    count: int | None = None
    """Of a histogram."""
    no_recorded_value: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """One Export call at the sink."""

    t: float
    answered: str
    """OK, or the name of the gRPC status that was answered."""
    request_bytes: int
    resource: dict[str, str | int | float | bool]
    points: tuple[Point, ...]

    @property
    def delivered(self) -> bool:
        """Whether the sink took the data."""
        return self.answered == "OK"


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """The bridge's process tree, or the harness itself, at a moment."""

    t: float
    role: str
    """bridge | harness"""
    cpu_seconds: float
    """Cumulative CPU time of the tree, ended children included."""
    rss_bytes: int
    peak_rss_bytes: int
    """VmHWM, the sum over the tree."""
    threads: int
    fds: int
    processes: int


@dataclass(frozen=True, slots=True)
class WireSample:
    """Bytes between bridge and collector since the run's start, at a moment."""

    t: float
    sent_bytes: int
    """From the bridge."""
    received_bytes: int
    connections: int
    """Opened since the run's start."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A named span of the run, in seconds since its origin."""

    name: str
    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that a run saw. Times are seconds since the run's origin."""

    meta: Meta
    scenario: dict[str, Any]
    events: tuple[Event, ...] = ()
    phases: tuple[Phase, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    exports: tuple[Export, ...] = ()
    resources: tuple[ResourceSample, ...] = ()
    wire: tuple[WireSample, ...] = ()

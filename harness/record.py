"""RunRecord: all that a run saw, as versioned data; and what stands where in the folder that holds it.

The folder is appended to as the run goes, so an interrupted run has its part:

=================  =========================================================================
``run.json``       `Meta`: written at the start, again at the end with ``complete: true``
``scenario.json``  the scenario as it was run, variants resolved (JSON of `harness.scenario.Scenario`)
``events.jsonl``   `Event` lines: phases, faults, processes
``ledger.jsonl``   what the job wrote, by the job itself (see `harness/ledger.py`); ``ledger-2.jsonl`` and so on where
                   it was started again, or a second one beside it
``exports.jsonl``  `Export` lines, by the recording sink, one for each Export call
``resources.jsonl``  `ResourceSample` lines
``machine.jsonl``  `MachineSample` lines: how busy the machine was
``wire.jsonl``     `WireSample` lines: bytes on the wire between bridge and collector
``back_end.jsonl``  `BackEndSeries` lines, where a Prometheus stands behind the collector
``bridge.log`` ``job.log`` ``sink.log`` ``relay.log``  what the processes printed
``seal.json``      written last: the sha256 of every file above (see `harness/seal.py`); none of an interrupted run
=================  =========================================================================

Every ``t`` in these files is CLOCK_MONOTONIC in seconds, which all processes of one machine share;
`harness.record_folder` reads them as seconds since the run's origin. Wall time stands once, in `Meta`, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.samples import MachineSample, ResourceSample, WireSample

SCHEMA_VERSION = 2
"""2: machine.jsonl, members, memory by share, context switches, headers. 1 is read as well: what it
does not hold is None, and no check takes that for a figure."""
FIRST_FILES = ("events.jsonl", "ledger.jsonl", "exports.jsonl", "resources.jsonl", "wire.jsonl", "back_end.jsonl")
"""The files of lines that version 1 had."""
LINE_FILES = (*FIRST_FILES, "machine.jsonl")


class RecordError(Exception):
    """A folder holds no record, a damaged one, or one that this version cannot read; or none can be written there."""


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
    """When the last process of the run was gone."""
    origin_unix_nano: int | None = None
    """The wall clock at ``origin``, which the times of data points are held against; None: not recorded."""
    lines: dict[str, int] = field(default_factory=dict)
    """How many lines each file of lines had at the end: a record that lost some is damaged, not merely short."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the runner did or noticed, at a moment.

    ``kind`` and what ``data`` then holds:

    - ``phase``: ``name``, ``phase`` (a PhaseKind); a phase lasts until the next one begins or the run ends
    - ``fault``: ``step``, ``fault``, ``action`` (inject | verify | heal), ``ok``, ``evidence`` (what was seen, one
      sentence), ``took_seconds``; ``t`` is when the action began, so what came after a heal came after its ``t``
    - ``process``: ``role`` (job | bridge | sink | relay | ...), ``action`` (started | ready | signalled | exited |
      killed | never-ready, with its ``reason``), and where known ``pid``, ``create_time``, ``signal``, ``exit_code``;
      ``planned`` (true) where the scenario itself wanted that kill: a process that is started again has one more life,
      with a pid of its own; ``out_of_memory`` (true), ``memory_limit_bytes`` and ``memory_peak_bytes`` where the kernel
      killed it because of its container's memory limit; ``image_id`` where a container began
    - ``member``: ``role``, ``action`` (began | ended), ``pid``, ``create_time``, ``image`` (it changes when a process
      turns into another program), ``command``, ``root`` (the pid of the tree's root), ``unseen_seconds`` (of an end:
      since when it may have been gone): a process of the bridge's tree was seen for the first time, or was gone while
      the root lived on
    - ``canary``: ``ok``, ``evidence``: whether an Export call of the harness's own came through on the bridge's way
    - ``ground``: ``metrics_file``, and the ``file_system`` that it stood on
    - ``clock``: ``of`` (job | recorder), ``offset_seconds`` (its CLOCK_MONOTONIC minus ours), ``error_seconds`` (plus
      or minus), ``wall_offset_seconds``, ``is_ours``: another machine's clocks as they were measured; its moments in
      this record are on our clock already
    - ``moment``: ``at`` (when the signal to end was to meet the bridge), ``ok``, ``evidence``
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
    """The training_metrics of that write, without those that are no numbers."""
    job_id: str = ""
    process: int = 1
    """Which of the job's processes made it."""


@dataclass(frozen=True, slots=True)
class JobProcess:
    """One process of the job, by its own ledger."""

    number: int
    """From 1, in the order of their starts."""
    pid: int
    job_id: str
    started: float
    ended: float | None
    """When it said its end; None: it never did."""
    model_name: str = ""
    """As it stands in the file; empty: the ledger does not say."""
    dataset: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the job wrote, all of its processes together: see `harness/ledger.py` for the files."""

    writes: tuple[Write, ...] = ()
    """In the order in which they became visible, and numbered in that order."""
    period_seconds: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    """Spans in which the job was told not to write."""
    ended: float | None = None
    """When the process that wrote last said its end; None: it never did."""
    missed: int = 0
    """Writes that the schedule wanted and that were skipped because their time had passed."""
    processes: tuple[JobProcess, ...] = ()


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
    unit: str | None = None
    """In UCUM's notation, empty for a bare number; None: not recorded."""
    temporality: str | None = None
    """Of a sum or a histogram: cumulative | delta | unspecified; None: not recorded."""
    monotonic: bool | None = None
    """Of a sum; None: not recorded."""
    bounds: tuple[float, ...] | None = None
    """Upper bounds of a histogram's buckets but the last; None: not recorded."""
    buckets: tuple[int, ...] | None = None
    """How many values each bucket holds, one more than bounds; None: not recorded."""
    resource: dict[str, str | int | float | bool] | None = None
    """Its own, where the call has several; None: that of the call."""


@dataclass(frozen=True, slots=True)
class Export:
    """One Export call at the sink."""

    t: float
    answered: str
    """OK, the name of the gRPC status that was answered, or HANG where the call was never answered."""
    request_bytes: int
    resource: dict[str, str | int | float | bool]
    points: tuple[Point, ...]
    retry_after_seconds: float | None = None
    """What the answer asked for by RetryInfo."""

    @property
    def delivered(self) -> bool:
        """Whether the sink took the data."""
        return self.answered == "OK"

    def resource_of(self, point: Point) -> dict[str, str | int | float | bool]:
        """The resource under which one of its points came."""
        return self.resource if point.resource is None else point.resource


@dataclass(frozen=True, slots=True)
class BackEndSeries:
    """One series of the back end's answer, asked when the bridge had ended."""

    query: str
    """raw: all samples; increase: one sample, the ``increase()`` over all of them."""
    labels: dict[str, str]
    samples: tuple[tuple[float, float], ...]
    """Time and value."""

    @property
    def name(self) -> str:
        """The metric's name there."""
        return self.labels["__name__"]

    @property
    def way(self) -> str:
        """How it came there: scrape (of the collector) or otlp (every point, with its own time)."""
        return self.labels.get("way", "otlp")


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
    machine: tuple[MachineSample, ...] = ()
    back_end: tuple[BackEndSeries, ...] = ()
    bridge_log: tuple[str, ...] | None = None
    """What the bridge printed, line by line; None: no check of the scenario looks at it, or there is no such file."""

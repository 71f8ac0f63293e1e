"""What a rig is: what a run runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.faults import Ground
from harness.processes import Processes
from harness.recorder import Recorder
from harness.scenario import Need, RigName, Scenario
from harness.started import Started
from harness.waiting import Patience


class RigError(Exception):
    """The rig cannot stand, or broke down; says why and what mends it."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What reached the sink so far."""

    calls: int
    """Export calls that began."""
    points: int
    """Data points that were taken."""
    first_point_t: float | None
    """When the first of them came, on CLOCK_MONOTONIC."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rig is put up for."""

    scenario: Scenario
    run_dir: Path
    """Everything that the run writes goes here, but for a shared metrics folder in memory."""
    seed: int
    processes: Processes
    """Starts the rig's processes, and stops them when the run ends, last first."""
    patience: Patience
    bridge_command: tuple[str, ...] = ()
    """What `Standing.start_bridge` will be given: a rig may have to make a container for it first."""
    recorder: Recorder | None = None
    """Takes what a rig sees by itself. None: a rig that needs it cannot be put up."""


class Standing(Protocol):
    """A rig that is up: sink and relay (or what stands for them) run; job and bridge are started one by one."""

    ground: Ground

    def start_job(self) -> Started:
        """Start the scenario's job.

        Raises:
            ProcessError: it cannot be started.
        """
        ...

    def start_bridge(self, command: Sequence[str]) -> Started:
        """Start the bridge under test with the contract's variables and the scenario's.

        Raises:
            ProcessError: it cannot be started.
        """
        ...

    def deliveries(self) -> Deliveries:
        """What reached the sink so far.

        Raises:
            RigError: the sink does not answer.
        """
        ...

    def check(self) -> None:
        """See that the rig's own processes still run.

        Raises:
            RigError: one of them has ended.
        """
        ...

    def ask_back_end(self) -> None:
        """Once the bridge has ended: write down what the back end behind the collector holds, where there is one.

        Raises:
            RigError: it does not answer.
        """
        ...

    def down(self) -> None:
        """Let go of everything that `Processes` does not hold. Raises nothing."""
        ...


class Rig(Protocol):
    """One kind of ground that runs can be made on. It holds nothing of a run: several may go on side by side."""

    name: RigName
    offers: frozenset[Need]
    """What it has beyond a job, a bridge and a sink."""
    bridge_command: tuple[str, ...]
    """The bridge under test where the user names none."""

    def lacking(self) -> tuple[str, ...]:
        """What this machine lacks for it, each with how to get it; empty: runs can be made."""
        ...

    def objection(self, command: Sequence[str]) -> str | None:
        """Why nothing that this command line names can be the bridge here, with the mend; None: nothing against it."""
        ...

    def up(self, setting: Setting) -> Standing:
        """Put it up for one run.

        Raises:
            RigError: it cannot be put up.
            ProcessError: one of its processes cannot be started.
        """
        ...

"""What a fault is, and what the rig gives it to work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.job_control import JobControl
from harness.scenario import Need, Strict
from harness.waiting import Patience


class FaultError(Exception):
    """The fault could not be injected or healed; says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a verify found: whether the fault holds at this moment, and what was seen, in one sentence."""

    ok: bool
    evidence: str


class CollectorDoor(Protocol):
    """The rig's way to make the collector unreachable."""

    host: str
    port: int

    def set_mode(self, mode: str) -> None:
        """Set ``forward``, ``refuse`` or ``silent``.

        Raises:
            FaultError: it could not be set.
        """
        ...

    def mode(self) -> str:
        """Read the mode back.

        Raises:
            FaultError: it could not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What a fault may touch on this rig."""

    metrics_file: Path
    job: JobControl
    collector: CollectorDoor
    patience: Patience
    """For waits inside of inject and verify; a heal must not be interruptible."""


class Fault(Protocol):
    """One way of doing harm, for one use: inject once, verify at the beginning and at the end, heal once."""

    def inject(self) -> str:
        """Do the harm; gives what was done, in one sentence.

        Raises:
            FaultError: it could not be done.
        """
        ...

    def verify(self) -> Seen:
        """Look, by means other than those of inject, whether the harm is there now."""
        ...

    def heal(self) -> str:
        """Take the harm away, also after a failed or half-done inject; gives what was done, in one sentence.

        Raises:
            FaultError: it could not be taken away.
        """
        ...


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One line of the table of faults."""

    what: str
    """What it does, in a few words for people."""
    parameters: type[Strict]
    """What a scenario may write under ``with``."""
    build: Callable[[Ground, Any], Fault]
    """Makes one from the ground and an instance of ``parameters``."""
    needs: frozenset[Need] = frozenset()
    """What not every rig has, and this fault cannot do without."""

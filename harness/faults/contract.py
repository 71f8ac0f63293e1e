"""What a fault is, and what the rig gives it to work on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.faults.http2_probe import PLAIN, Greeting, Probe
from harness.jobs import Jobs
from harness.places import FilePlace
from harness.scenario import Need, Strict
from harness.toxiproxy import Toxic
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
    """What the bridge dials."""

    def greet(self, greeting: Greeting = PLAIN, *, within: float) -> Probe:
        """Greet where the bridge dials, from where it dials; see `harness.faults.http2_probe.probe`.

        Raises:
            FaultError: nobody is there to do it.
        """
        ...

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


class Answers(Protocol):
    """The rig's way to the recording sink, where the bridge talks to it without a collector between."""

    host: str
    port: int
    """The sink's own, past everything that stands before it."""

    def decide(self, decision: str, parameters: Mapping[str, object]) -> None:
        """Let the sink answer every call from now on by a decision of `harness/observers/decisions.py`.

        Raises:
            FaultError: it could not be told.
        """
        ...


class Life(Protocol):
    """A process of the run that a fault may end, start again, or lay hands on."""

    role: str

    @property
    def pid(self) -> int | None:
        """Of the process that runs now; None: none does."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that is none of the run's own: it is not recorded as the order to end.

        Raises:
            FaultError: there is no process.
        """
        ...

    def kill(self) -> None:
        """End it and its children at once (SIGKILL), as part of the scenario; returns when it is gone.

        Raises:
            FaultError: there is no process, or it does not end.
        """
        ...

    def start(self) -> None:
        """Start it anew, as it was started the first time.

        Raises:
            FaultError: it cannot be started, or runs already.
        """
        ...


class NetworkDoor(Protocol):
    """The rig's Toxiproxy on the way from the bridge to the collector."""

    host: str
    port: int
    """What the bridge dials."""

    def greet(self, greeting: Greeting = PLAIN, *, within: float) -> Probe:
        """As that of `CollectorDoor`.

        Raises:
            FaultError: nobody is there to do it.
        """
        ...

    def spoil(self, toxics: Sequence[Toxic], *, reconnect: bool) -> None:
        """Put toxics in place; ``reconnect``: drop what is open, so that every connection begins under them.

        Raises:
            FaultError: one of them is not there.
        """
        ...

    def mend(self, toxics: Sequence[Toxic]) -> None:
        """Take toxics away.

        Raises:
            FaultError: one of them is still there.
        """
        ...

    def toxics(self) -> tuple[Toxic, ...]:
        """Read back what is in place.

        Raises:
            FaultError: it could not be read.
        """
        ...

    def cut(self) -> None:
        """Reset every connection between Toxiproxy and the collector.

        Raises:
            FaultError: it could not be done.
        """
        ...


class CollectorMemory(Protocol):
    """The memory of the rig's real collector, which its memory limiter bounds."""

    def fill(self) -> None:
        """Fill its memory until it refuses data.

        Raises:
            FaultError: it takes whatever comes.
        """
        ...

    def refuses(self) -> str | None:
        """Send it data; gives the reason with which it refuses them, None where it takes them.

        Raises:
            FaultError: it does not answer.
        """
        ...

    def empty(self) -> None:
        """Let go of what fills it, and wait until it takes data again.

        Raises:
            FaultError: it goes on refusing.
        """
        ...


class CollectorPods(Protocol):
    """The collector's pods, which a cluster keeps as many of as it is told."""

    def running(self) -> frozenset[str]:
        """The names of those that run now and are not about to end.

        Raises:
            FaultError: the cluster does not say.
        """
        ...

    def kill(self) -> frozenset[str]:
        """End all of them at once, without grace; gives their names. The cluster puts others in their place.

        Raises:
            FaultError: there is none, or one of them does not end.
        """
        ...

    def scale(self, replicas: int) -> None:
        """Have so many of them, and wait until that is so; none end without grace, new ones until they are ready.

        Raises:
            FaultError: it did not become so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What a fault may touch on this rig."""

    metrics_file: FilePlace
    job: Jobs
    collector: CollectorDoor
    patience: Patience
    """For waits inside of inject and verify; a heal must not be interruptible."""
    network: NetworkDoor | None = None
    """None: no Toxiproxy on this rig."""
    collector_memory: CollectorMemory | None = None
    """None: no real collector on this rig."""
    answers: Answers | None = None
    """None: on this rig the bridge does not talk to the sink itself."""
    collector_life: Life | None = None
    """The process that the bridge talks to; None: this rig cannot end it."""
    bridge: Life | None = None
    """The bridge under test; None: it does not run yet."""
    collector_pods: CollectorPods | None = None
    """The collector's pods; None: on this rig it has none."""
    metrics_file_system: str = ""
    """What the metrics file's folder stands on, for the record; empty: the rig does not know."""

    @property
    def local_file(self) -> Path:
        """The metrics file where it is one of this machine's.

        Raises:
            FaultError: it is elsewhere, where not everything can be done to it.
        """
        if not isinstance(self.metrics_file, Path):
            raise FaultError("the metrics file is not on this machine: run it with --rig local")
        return self.metrics_file


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

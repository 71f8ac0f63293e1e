"""What was sampled on a clock while a run went on: processes, machine, wire. Parts of a record, only data.

A figure that is None was not taken: by an older version of the record, at this turn (some cost too much to be taken at
each), or because this kernel does not give it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """The bridge's process tree, or the harness itself, at a moment."""

    t: float
    role: str
    """bridge | job | sink | relay, each with its children; harness: the process that runs the runs, alone"""
    cpu_seconds: float
    """Cumulative CPU time of the tree, ended children included."""
    rss_bytes: int
    peak_rss_bytes: int
    """VmHWM, the sum over the tree."""
    threads: int
    fds: int
    processes: int
    cgroup_cpu_seconds: float | None = None
    """As its control group counted it, everything that ran in there included; None: it has no group of its own."""
    cgroup_memory_bytes: int | None = None
    """What the group is charged with, without the file cache that the kernel gives back first."""
    cgroup_memory_peak_bytes: int | None = None
    """The kernel's own mark of what the group was ever charged with, cache included."""
    cgroup_memory_limit_bytes: int | None = None
    cgroup_throttled_seconds: float | None = None
    """For how long its CPU quota kept the group from running, so far."""
    cgroup_kills: int | None = None
    """How many of its processes the kernel killed because of the memory limit, so far."""
    pss_bytes: int | None = None
    """Proportional share: of a page that several processes have, each counts its part. At a lower rate: the kernel
    walks through all of a process' memory for it."""
    uss_bytes: int | None = None
    """What nobody else has, and what would be free if the tree ended. Taken together with ``pss_bytes``."""
    voluntary_switches: int | None = None
    """Cumulative: how often a thread of the tree gave the processor up to wait."""
    involuntary_switches: int | None = None
    """Cumulative: how often one was taken off the processor."""


@dataclass(frozen=True, slots=True)
class MachineSample:
    """How busy the machine was, at a moment: it explains figures, and judges nothing."""

    t: float
    load_1m: float
    """Load average over a minute: threads that ran or wanted to."""
    runnable: int
    """Threads that ran or wanted to, at that moment."""
    cpus: int
    """Processors that the harness may use."""
    memory_available_bytes: int
    """MemAvailable."""


@dataclass(frozen=True, slots=True)
class WireSample:
    """Bytes between bridge and collector since the run's start, at a moment."""

    t: float
    sent_bytes: int
    """TCP payload from the bridge."""
    received_bytes: int
    connections: int
    """Opened since the run's start."""
    sent_header_bytes: int | None = None
    """Of IPv4 and TCP, from the bridge, by the rule of `harness/observers/segments.py`."""
    received_header_bytes: int | None = None

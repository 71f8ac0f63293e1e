"""What is seen of processes in a pod, as JSON lines: when they began and ended, and what they cost.

Written inside the pod (`observe`), read by the harness (`Sightings`). A line is one of::

    {"saw": "started", "t": ..., "role": "bridge", "pid": 17, "create_time": ...}
    {"saw": "exited", "t": ..., "role": "bridge", "pid": 17}
    {"saw": "cost", ...}                                         a `harness.samples.ResourceSample`
    {"saw": "member", ...}                                       a `harness.observers.members.Change`

Times are CLOCK_MONOTONIC of the pod's machine; process ids are those of the pod.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TextIO

from harness import keeper, procfs
from harness.observers.resources import ResourceObserver, Sample, Watched
from harness.samples import ResourceSample

_LOOK_SECONDS = 0.05
"""Between two looks for a process that is not there yet, or again."""


class _Eyes:
    """Looks, and writes down what it sees.

    Args:
        marks: by role.
        out: takes the lines.
    """

    def __init__(self, marks: Mapping[str, str], out: TextIO) -> None:
        self._marks = marks
        self._out = out
        self._writing = threading.Lock()
        self._held: dict[int, tuple[str, int]] = {}
        self._resources = ResourceObserver(self._cost, lambda change: self._say("member", **asdict(change)))
        self.unheard = threading.Event()
        """Nobody reads the lines any more."""

    def open(self) -> None:
        self._resources.start()

    def close(self) -> None:
        self._resources.stop()

    def look(self) -> None:
        """Look for processes that are not there yet, or again; wait a moment for ends."""
        for role in self._marks.keys() - {role for role, _ in self._held.values()}:
            if (pid := _first(self._marks[role])) is not None:
                with contextlib.suppress(OSError):  # it ended between the two looks
                    self._hold(role, pid)
        for ended in select.select(list(self._held), [], [], _LOOK_SECONDS)[0]:
            role, pid = self._held.pop(ended)
            self._say("exited", t=time.monotonic(), role=role, pid=pid)
            os.close(ended)

    def _hold(self, role: str, pid: int) -> None:
        held = os.pidfd_open(pid)
        begun = procfs.create_time(pid)
        self._held[held] = (role, pid)
        since = time.clock_gettime(time.CLOCK_BOOTTIME) - begun  # it may have begun before anybody looked
        self._say("started", t=time.monotonic() - since, role=role, pid=pid, create_time=begun)
        self._resources.watch(Watched(role, pid, begun, mark=self._marks[role]))

    def _cost(self, sample: Sample) -> None:
        if isinstance(sample, ResourceSample):  # how busy the machine is, the harness sees at its own
            self._say("cost", **{name: value for name, value in asdict(sample).items() if value is not None})

    def _say(self, saw: str, **facts: object) -> None:
        try:
            with self._writing:
                self._out.write(json.dumps({"saw": saw, **facts}) + "\n")
                self._out.flush()
        except OSError:
            self.unheard.set()


def observe(marks: Mapping[str, str], out: TextIO) -> None:
    """Write down what is seen of the processes with these marks in their environment, until nobody reads any more.

    Args:
        marks: by role. A container's first process is the one that is meant; a new one is looked for when it ends.
        out: takes the lines.
    """
    eyes = _Eyes(marks, out)
    eyes.open()
    try:
        while not eyes.unheard.is_set():
            eyes.look()
    finally:
        eyes.close()


def _first(mark: str) -> int | None:
    """The oldest process that carries the mark and runs: a container's first."""
    running = [pid for pid in keeper.marked(mark) if procfs.lives(pid)]
    return min(running, key=procfs.create_time, default=None)

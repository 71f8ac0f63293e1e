"""What is seen of processes in a pod, as JSON lines: when they began and ended, and what they cost.

Written inside the pod (`observe`), read by the harness (`Sightings`). A line is one of::

    {"saw": "started", "t": ..., "role": "bridge", "pid": 17, "create_time": ...}
    {"saw": "exited", "t": ..., "role": "bridge", "pid": 17}
    {"saw": "cost", ...}                                         a `harness.samples.ResourceSample`

Times are CLOCK_MONOTONIC of the pod's machine; process ids are those of the pod.
"""

from __future__ import annotations

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


def observe(marks: Mapping[str, str], out: TextIO) -> None:
    """Write down what is seen of the processes with these marks in their environment, until nobody reads any more.

    Args:
        marks: by role. A container's first process is the one that is meant; a new one is looked for when it ends.
        out: takes the lines.

    Raises:
        BrokenPipeError: nobody reads them any more.
    """
    writing = threading.Lock()
    broken = threading.Event()

    def say(saw: str, **facts: object) -> None:
        with writing:
            out.write(json.dumps({"saw": saw, **facts}) + "\n")
            out.flush()

    def cost(sample: Sample) -> None:
        if not isinstance(sample, ResourceSample):  # how busy the machine is: the harness looks at its own
            return
        try:
            say("cost", **{name: value for name, value in asdict(sample).items() if value is not None})
        except OSError:
            broken.set()

    resources = ResourceObserver(cost)
    resources.start()
    held: dict[int, tuple[str, int]] = {}
    try:
        while not broken.is_set():
            for role in marks.keys() - {role for role, _ in held.values()}:
                if (pid := _first(marks[role])) is not None:
                    try:
                        held[os.pidfd_open(pid)] = (role, pid)
                        begun = procfs.create_time(pid)
                    except OSError:  # it ended between the two looks
                        continue
                    say("started", t=time.monotonic(), role=role, pid=pid, create_time=begun)
                    resources.watch(Watched(role, pid, begun, mark=marks[role]))
            for ended in select.select(list(held), [], [], _LOOK_SECONDS)[0]:
                role, pid = held.pop(ended)
                say("exited", t=time.monotonic(), role=role, pid=pid)
                os.close(ended)
    finally:
        resources.stop()


def _first(mark: str) -> int | None:
    """The oldest process that carries the mark and runs: a container's first."""
    running = [pid for pid in keeper.marked(mark) if procfs.state(pid) not in {None, "Z"}]
    return min(running, key=procfs.create_time, default=None)

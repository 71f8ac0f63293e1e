"""Harm by the machine: the only processor that the bridge may use is busy with others."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness import procfs
from harness.child_environment import child_environment
from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.process import needed, present_pid
from harness.processes import Process, ProcessError, Processes
from harness.scenario import Seconds, Strict

_LOOK_SECONDS = 1.0
_IDLE_SHARE_MAX = 0.1
_BUSY = Path(__file__).with_name("busy.py")


class Busy(Strict):
    """Parameters of `BridgeStarved`."""

    processes: Annotated[int, Field(ge=1, le=16)] = 6
    """How many busy ones are beside the bridge on its processor."""
    at_most: Seconds = 60.0
    """They end by themselves after so long, whatever becomes of the harness."""


class BridgeStarved:
    """The bridge is bound to one processor, and so are several processes that never rest."""

    def __init__(self, ground: Ground, parameters: Busy) -> None:
        self._bridge = ground.bridge
        self._patience = ground.patience
        self._log = ground.local_file.parent.parent / "busy.log"
        self._parameters = parameters
        # Its own: they come and go with the fault, and are no part of what is measured.
        self._busy = Processes(lambda *_: None)
        self._running: list[Process] = []
        self._pid = 0
        self._cpu = -1
        self._before: frozenset[int] = frozenset()

    def inject(self) -> str:
        """Bind the bridge, then start the busy ones."""
        self._pid = present_pid(needed(self._bridge))
        self._before = frozenset(os.sched_getaffinity(self._pid))
        # Not the first one: interrupts are usually served there.
        self._cpu = max(self._before)
        self._bind(frozenset({self._cpu}))
        command = [sys.executable, "-I", "-S", str(_BUSY), str(self._cpu), f"{self._parameters.at_most:g}"]
        environment = child_environment({"BUSY_BESIDE": str(self._log.parent)})  # says whose they are
        try:
            for _ in range(self._parameters.processes):
                self._running.append(self._busy.start("busy", command, env=environment, log=self._log))
        except ProcessError as problem:
            raise FaultError(str(problem)) from problem
        return f"{len(self._running)} busy processes are beside the bridge on processor {self._cpu}"

    def verify(self) -> Seen:
        """Ask the kernel: where may the bridge run, how idle is that processor, and who has its time."""
        pid = needed(self._bridge).pid
        if not self._running or pid is None:
            return Seen(ok=False, evidence="nothing runs beside the bridge")
        bound = all(allowed == {self._cpu} for allowed in procfs.allowed_cpus(pid))
        began, idle, used = time.monotonic(), procfs.idle_seconds(self._cpu), self._used_seconds()
        self._patience.hold(_LOOK_SECONDS)
        seconds = time.monotonic() - began
        idle_share = (procfs.idle_seconds(self._cpu) - idle) / seconds
        busy_share = (self._used_seconds() - used) / seconds
        evidence = (
            f"the bridge may run {f'on processor {self._cpu} only' if bound else 'elsewhere'}, which was idle for "
            f"{idle_share:.0%} and busy with others of ours for {busy_share:.0%} of {seconds:.1f} s"
        )
        # Half: neighbours of other runs may want that processor too.
        starved = bound and idle_share <= _IDLE_SHARE_MAX and busy_share >= 0.5  # noqa: PLR2004 - said above
        return Seen(ok=starved, evidence=evidence)

    def heal(self) -> str:
        """End the busy ones, let the bridge run where it ran before."""
        for process in self._running:
            process.signal(signal.SIGKILL)
        self._busy.close()
        self._running.clear()
        if needed(self._bridge).pid != self._pid or not self._before:
            return "the busy processes are gone; the bridge was not bound"
        self._bind(self._before)
        return "the busy processes are gone, and the bridge may run where it ran before"

    def _bind(self, cpus: frozenset[int]) -> None:
        try:
            for process in procfs.tree(self._pid):
                for task in Path(f"/proc/{process}/task").iterdir():
                    with contextlib.suppress(ProcessLookupError):  # a thread that has just ended
                        os.sched_setaffinity(int(task.name), cpus)
        except OSError as problem:
            raise FaultError(f"the bridge could not be bound to a processor: {problem}") from problem

    def _used_seconds(self) -> float:
        used = 0.0
        for process in self._running:
            with contextlib.suppress(OSError):
                used += procfs.cpu_seconds(process.pid)
        return used

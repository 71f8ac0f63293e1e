"""A process of the run that a scenario may end and start again: its present life, and the way to the next one."""

from __future__ import annotations

import signal
from collections.abc import Callable

from harness.faults import FaultError
from harness.processes import Processes
from harness.started import ProcessError, Started

GONE_SECONDS = 5.0
"""A killed process is gone in milliseconds; one that is not hangs in the kernel."""


class ProcessLife:
    """See `harness.faults.contract.Life`.

    Args:
        role: bridge, sink, ...
        processes: starts and signals for the run.
        current: the process that was started last; None: none was.
        start: starts it anew; ProcessError or FaultError where it cannot.
    """

    def __init__(
        self, role: str, processes: Processes, current: Callable[[], Started | None], start: Callable[[], object]
    ) -> None:
        self.role = role
        self.meant_to_be_gone = False
        """The scenario ended it and has not started it again."""
        self._processes = processes
        self._current = current
        self._start = start

    @property
    def process(self) -> Started | None:
        """The one that was started last; None: none was."""
        return self._current()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._current()
        return None if process is None or process.exit is not None else process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal that is not recorded as an order to end."""
        if not self._running().signal(number):
            raise FaultError(f"the {self.role} has ended: no {number.name} reaches it")

    def kill(self) -> None:
        """SIGKILL, recorded as planned; returns when it is gone."""
        process = self._running()
        self.meant_to_be_gone = True
        self._processes.signal(process, signal.SIGKILL, planned=True)
        if process.wait(GONE_SECONDS) is None:
            raise FaultError(f"the {self.role} (pid {process.pid}) outlived SIGKILL by {GONE_SECONDS:g} s")

    def start(self) -> None:
        """Start it as before."""
        if self.pid is not None:
            raise FaultError(f"the {self.role} runs already (pid {self.pid})")
        try:
            self._start()
            self.meant_to_be_gone = False
        except ProcessError as problem:
            raise FaultError(str(problem)) from problem

    def _running(self) -> Started:
        process = self._current()
        if process is None or process.exit is not None:
            raise FaultError(f"the {self.role} does not run")
        return process

"""Harm to the bridge's own process: it is killed, or it stands still."""

from __future__ import annotations

import signal
from pathlib import Path

from harness import procfs
from harness.faults.contract import FaultError, Ground, Life, Seen
from harness.faults.file import NoParameters
from harness.waiting import WaitedTooLongError, wait_until

STOPPED_SECONDS = 2.0
"""From the signal until the kernel says that every process of the tree stands still."""


def needed(life: Life | None, who: str = "bridge") -> Life:
    """Return the process.

    Raises:
        FaultError: this rig has no way to it.
    """
    if life is None:
        raise FaultError(f"on this rig nothing can be done to the {who}'s process")
    return life


def present_pid(life: Life) -> int:
    """Return the pid of the process that runs now.

    Raises:
        FaultError: none does.
    """
    pid = life.pid
    if pid is None:
        raise FaultError(f"the {life.role} does not run")
    return pid


class BridgeKilled:
    """The bridge is killed by SIGKILL and not there; the heal starts it again, as a container's restart does."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._bridge = ground.bridge
        self._pid: int | None = None

    def inject(self) -> str:
        """Kill it."""
        bridge = needed(self._bridge)
        self._pid = present_pid(bridge)
        bridge.kill()
        return f"the bridge (pid {self._pid}) was killed"

    def verify(self) -> Seen:
        """Look for its process in /proc, and for a new one."""
        bridge = needed(self._bridge)
        if self._pid is None:
            return Seen(ok=False, evidence="the bridge was not killed")
        if Path(f"/proc/{self._pid}").exists():
            return Seen(ok=False, evidence=f"the process {self._pid} is there")
        if bridge.pid is not None:
            return Seen(ok=False, evidence=f"the bridge runs as process {bridge.pid}")
        return Seen(ok=True, evidence=f"there is no process {self._pid} any more, and no other bridge")

    def heal(self) -> str:
        """Start it again, where it does not run."""
        bridge = needed(self._bridge)
        if bridge.pid is None:
            bridge.start()
        return f"the bridge runs as process {bridge.pid}"


class BridgeStopped:
    """The bridge stands still, as under a debugger or on a frozen node, and then goes on as if nothing had been."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._bridge = ground.bridge
        self._patience = ground.patience

    def inject(self) -> str:
        """SIGSTOP."""
        bridge = needed(self._bridge)
        bridge.signal(signal.SIGSTOP)
        try:
            self._patience.until(lambda: self.verify().ok, within=STOPPED_SECONDS, what="the bridge stands still")
        except WaitedTooLongError as problem:
            raise FaultError(str(problem)) from problem
        return f"the bridge (pid {bridge.pid}) got SIGSTOP"

    def verify(self) -> Seen:
        """Ask the kernel for the state of every thread: T is stopped."""
        bridge = needed(self._bridge)
        pid = bridge.pid
        states = procfs.thread_states(pid) if pid is not None else []
        evidence = f"the kernel says of its threads: {' '.join(states) or 'none'}"
        return Seen(ok=bool(states) and set(states) == {"T"}, evidence=evidence)

    def heal(self) -> str:
        """SIGCONT."""
        bridge = needed(self._bridge)
        if bridge.pid is None:
            return "the bridge has ended"
        bridge.signal(signal.SIGCONT)
        try:
            wait_until(lambda: not self.verify().ok, within=STOPPED_SECONDS, what="the bridge goes on")
        except WaitedTooLongError as problem:
            raise FaultError(str(problem)) from problem
        return "the bridge got SIGCONT and goes on"

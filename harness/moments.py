"""The moment at which the signal to end meets the bridge, where it is not simply after the job's last write."""

from __future__ import annotations

import signal
from collections.abc import Callable

from harness import own_orphans, procfs, unprivileged
from harness.faults import Ground, Seen
from harness.faults.file import is_json_object
from harness.started import Started
from harness.waiting import Patience, WaitedTooLongError

HALF_WRITTEN_SECONDS = 0.02
"""How long half of the last write stands there: long for a document of 1 kB, short for a reader who looks again."""
STARTING_CPU_SECONDS = 0.1
"""CPU time after which a bridge is told to end that has just begun to start: a Python interpreter is up after 0.02 s, a
bridge with OpenTelemetry's SDK after 0.3 s or more. CPU time, because a busy machine stretches any other."""
TAKES_IT_CPU_SECONDS = 0.03
"""The same for one that takes SIGTERM already: a light one has its first call behind it after 0.1 s of a fast machine,
and a runtime that takes all signals for its own use (Go's) is up before that."""
_OURS = (own_orphans.__file__, unprivileged.__file__)
_WITHIN_SECONDS = 10.0


def half_written(ground: Ground, patience: Patience) -> Seen:
    """Let the job make its last write in two halves; return when the first one stands in the file.

    Raises:
        JobError: the job has ended, or does not do what it is told.
    """
    ground.job.tear(HALF_WRITTEN_SECONDS)
    ground.job.finish()
    seen = _Half(ground)
    try:
        patience.until(seen.look, within=_WITHIN_SECONDS, what="half of the job's last write", every=0.001)
    except WaitedTooLongError as problem:
        return Seen(ok=False, evidence=str(problem))
    return Seen(ok=True, evidence=f"{seen.size} bytes that are no whole document stood in the file")


class _Half:
    def __init__(self, ground: Ground) -> None:
        self._path = ground.metrics_file
        self.size = 0

    def look(self) -> bool:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return False
        self.size = len(data)
        return not is_json_object(data)


def starting(bridge: Started, calls: Callable[[], int], patience: Patience) -> Seen:
    """Return when a bridge that was just started takes SIGTERM, or has used CPU time without, and made no call yet.

    Args:
        bridge: it was started a moment ago.
        calls: how many Export calls there were so far.
        patience: for the wait.
    """
    before = calls()
    own = _OwnSeconds(bridge)
    try:
        patience.until(
            lambda: bridge.exit is not None or own.used() >= own.enough(),
            within=_WITHIN_SECONDS,
            what=f"{STARTING_CPU_SECONDS:g} s of CPU time of a starting bridge, or its handler of SIGTERM",
            every=0.002,
        )
    except WaitedTooLongError as problem:
        return Seen(ok=False, evidence=str(problem))
    if bridge.exit is not None:
        return Seen(ok=False, evidence=f"it had ended by itself with code {bridge.exit.code}")
    made = calls() - before
    return Seen(ok=made == 0, evidence=f"it had used {own.used():.2f} s of CPU time and made {made} calls")


class _OwnSeconds:
    """CPU time of the bridge's own program: not of ours, which becomes it by execve(2)."""

    def __init__(self, bridge: Started) -> None:
        self._pid = bridge.pid
        self._before = 0.0

    def enough(self) -> float:
        """How much of it is the moment."""
        try:
            return TAKES_IT_CPU_SECONDS if procfs.takes(self._pid, signal.SIGTERM) else STARTING_CPU_SECONDS
        except OSError:
            return STARTING_CPU_SECONDS

    def used(self) -> float:
        """Look now."""
        try:
            used = procfs.cpu_seconds(self._pid)
        except OSError:
            return 0.0
        command = procfs.command(self._pid)
        if any(ours in command for ours in _OURS):
            self._before = used
        return used - self._before

"""The collector's process dies and comes back. What stands before it may go on accepting connections meanwhile."""

from __future__ import annotations

from pathlib import Path

from harness.faults.contract import Ground, Seen
from harness.faults.file import NoParameters
from harness.faults.process import needed, present_pid

_PROBE_SECONDS = 1.0
_NOBODY = frozenset({"closed", "reset", "refused"})


class CollectorKilled:
    """The collector is killed by SIGKILL, and started again by the heal; it forgets what it had not yet taken."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._life = ground.collector_life
        self._door = ground.collector
        self._pid: int | None = None

    def inject(self) -> str:
        """Kill it."""
        life = needed(self._life, "collector")
        self._pid = present_pid(life)
        life.kill()
        return f"the {life.role} (pid {self._pid}) was killed"

    def verify(self) -> Seen:
        """Look for its process, and greet in HTTP/2 where the bridge does: there must be nobody who answers."""
        life = needed(self._life, "collector")
        there = self._pid is None or Path(f"/proc/{self._pid}").exists() or life.pid is not None
        greeted = self._door.greet(within=_PROBE_SECONDS)
        # A killed container takes its address with it: who dials that is not refused, but hears nothing.
        nobody = greeted.end in _NOBODY or (greeted.end == "silence" and not greeted.received_bytes)
        evidence = f"the {life.role} {'runs' if there else 'does not run'}; {greeted}"
        return Seen(ok=not there and nobody, evidence=evidence)

    def heal(self) -> str:
        """Start it again, where it does not run."""
        life = needed(self._life, "collector")
        if life.pid is None:
            life.start()
        return f"the {life.role} runs as process {life.pid}"

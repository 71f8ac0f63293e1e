"""Harm to the real Collector from inside: its memory is full, and its memory limiter refuses what comes."""

from __future__ import annotations

from harness.faults.contract import CollectorMemory, FaultError, Ground, Seen
from harness.faults.file import NoParameters


class CollectorFull:
    """Somebody else's data fill the Collector; it asks everybody to come again later."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._given = ground.collector_memory

    def inject(self) -> str:
        """Send it more than it may hold."""
        self._memory.fill()
        return "the Collector's memory was filled"

    def verify(self) -> Seen:
        """Send it one more point: it must be refused for want of memory."""
        reason = self._memory.refuses()
        return Seen(ok=reason is not None, evidence=f"one more point: {reason or 'taken'}")

    def heal(self) -> str:
        """Let go of what fills it."""
        self._memory.empty()
        return "the Collector takes data again"

    @property
    def _memory(self) -> CollectorMemory:
        if self._given is None:
            raise FaultError("this rig has no Collector whose memory could be filled: run it with --rig local")
        return self._given

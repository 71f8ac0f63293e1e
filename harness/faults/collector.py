"""Harm to the way to the collector: it refuses, or it says nothing any more."""

from __future__ import annotations

from harness.faults.contract import Ground, Seen
from harness.faults.file import NoParameters

_CONNECT_SECONDS = 1.0
SILENCE_SECONDS = 0.5
"""A healthy server on loopback answers an HTTP/2 preface within some milliseconds."""


class CollectorRefused:
    """Connections are closed and new ones refused: a collector that was stopped."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._collector = ground.collector

    def inject(self) -> str:
        """Close what is open, listen no more."""
        self._collector.set_mode("refuse")
        return "connections were closed, new ones are refused"

    def verify(self) -> Seen:
        """Connect: it must be refused, and the door must say so."""
        mode = self._collector.mode()
        greeted = self._collector.greet(within=_CONNECT_SECONDS)
        return Seen(ok=greeted.end == "refused" and mode == "refuse", evidence=f"{greeted}; the door says {mode}")

    def heal(self) -> str:
        """Listen again."""
        self._collector.set_mode("forward")
        return f"the door says {self._collector.mode()}"


class CollectorSilent:
    """Nothing is answered and nothing closed: a firewall that forgot the connection."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._collector = ground.collector

    def inject(self) -> str:
        """Stop forwarding and accepting; what is open is dead for ever."""
        self._collector.set_mode("silent")
        return "nothing is forwarded or closed any more"

    def verify(self) -> Seen:
        """Connect and greet in HTTP/2: there must be no answer, and the door must say so."""
        mode = self._collector.mode()
        greeted = self._collector.greet(within=SILENCE_SECONDS)
        silent = greeted.end == "silence" and not greeted.received_bytes
        evidence = f"{'' if silent else 'not silent: '}{greeted}; the door says {mode}"
        return Seen(ok=silent and mode == "silent", evidence=evidence)

    def heal(self) -> str:
        """Forward again, for new connections."""
        self._collector.set_mode("forward")
        return f"the door says {self._collector.mode()}"

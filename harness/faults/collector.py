"""Harm to the way to the collector: it refuses, or it says nothing any more."""

from __future__ import annotations

import socket

from harness.faults.contract import Ground, Seen
from harness.faults.file import NoParameters

_CONNECT_SECONDS = 1.0
SILENCE_SECONDS = 0.5
"""A healthy server on loopback answers an HTTP/2 preface within some milliseconds."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""RFC 9113 section 3.4: the preface, then an empty SETTINGS frame. A server must answer with SETTINGS."""


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
        try:
            socket.create_connection((self._collector.host, self._collector.port), _CONNECT_SECONDS).close()
        except ConnectionRefusedError:
            return Seen(ok=mode == "refuse", evidence=f"a connect was refused; the door says {mode}")
        except OSError as problem:
            return Seen(ok=False, evidence=f"a connect was not refused but ended in {problem!r}; the door says {mode}")
        return Seen(ok=False, evidence=f"a connect succeeded; the door says {mode}")

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
        try:
            with socket.create_connection((self._collector.host, self._collector.port), _CONNECT_SECONDS) as probe:
                probe.sendall(_HTTP2_PREFACE)
                probe.settimeout(SILENCE_SECONDS)
                answer = probe.recv(1)
        except TimeoutError:
            return Seen(
                ok=mode == "silent",
                evidence=f"an HTTP/2 preface had no answer in {SILENCE_SECONDS:g} s; the door says {mode}",
            )
        except OSError as problem:
            return Seen(ok=False, evidence=f"not silent: a probe ended in {problem!r}; the door says {mode}")
        heard = "an answer" if answer else "the connection closed"
        return Seen(ok=False, evidence=f"not silent: a probe got {heard}; the door says {mode}")

    def heal(self) -> str:
        """Forward again, for new connections."""
        self._collector.set_mode("forward")
        return f"the door says {self._collector.mode()}"

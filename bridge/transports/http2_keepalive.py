"""When to ask a silent peer whether it still lives, and when to give it up. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from bridge.transports.http2_gate import BrokenError
from bridge.transports.waiting import Timing


class KeepAlive:
    """Counts what is heard of a peer, and the PINGs that ask for more.

    Args:
        clock: monotonic seconds.
        timing: when to ask, when to give up.
    """

    def __init__(self, clock: Callable[[], float], timing: Timing) -> None:
        self._clock = clock
        self._timing = timing
        self._heard_at = clock()
        self._ping_at: float | None = None
        self._pings = 0

    def heard(self) -> None:
        """Something came, whatever it is."""
        self._heard_at = self._clock()
        self._ping_at = None

    def answered(self) -> None:
        """A part of an answer came: the peer counts our PINGs anew."""
        self._pings = 0

    def look(self, began_at: float, ping: Callable[[bytes], None]) -> float:
        """Send a PING where a call has heard nothing for too long.

        Args:
            began_at: when the call began to wait, monotonic seconds.
            ping: sends one.

        Returns:
            The moment at which to look again.

        Raises:
            BrokenError: the peer did not even answer a PING.
        """
        now = self._clock()
        if self._ping_at is not None:
            gone_at = max(self._ping_at, began_at) + self._timing.ping_answer
            if now >= gone_at:
                raise BrokenError("the peer is silent: it answers neither the request nor a PING")
            return gone_at
        if self._pings == len(self._timing.ping_after):
            return now + self._timing.ping_answer
        ping_at = max(self._heard_at, began_at) + self._timing.ping_after[self._pings]
        if now < ping_at:
            return ping_at
        ping(self._pings.to_bytes(8, "big"))
        self._pings += 1
        self._ping_at = now
        return now + self._timing.ping_answer

    def lives(self, since: float) -> bool:
        """Whether the peer gave a sign of life since then, and can be asked for another one."""
        return self._heard_at > since and self._ping_at is None and self._pings < len(self._timing.ping_after)

"""When the bridge says something of itself: after a delivery, where it was quiet for long, or where it is overdue."""

from __future__ import annotations

from collections.abc import Callable

from bridge.delivery import RESOLUTION_SECONDS

OVERDUE_SECONDS = 120.0
"""Where something always waits, a bulletin leaves between two calls so long after the last one: else nobody could see
from outside that the queue never empties. Only a stop ends that one."""
_CALL_SECONDS = 5.0
"""A bulletin may take so long; a put or a stop ends it at once."""


class Bulletins:
    """The sender's thread alone touches it from `start` on.

    Args:
        clock: monotonic seconds, the sender's.
        overdue_seconds: so long after the last bulletin one leaves although something waits.
    """

    def __init__(self, clock: Callable[[], float], overdue_seconds: float) -> None:
        self._clock = clock
        self._overdue_seconds = overdue_seconds
        self._source: Callable[[], bytes | None] | None = None
        self._quiet_seconds_max: float | None = None
        self._left_at = self._quiet_since = clock()
        self.may_go = False
        """The last call was a delivery, and none was asked for since."""

    def start(self, source: Callable[[], bytes | None] | None, quiet_seconds_max: float | None) -> None:
        """Have them asked for from now on; see `bridge.sender.Sender.start`."""
        self._source = source
        self._quiet_since, self._quiet_seconds_max = self._clock(), quiet_seconds_max

    def tell(self, *, delivered: bool) -> None:
        """Take up what became of a call with the job's data."""
        self.may_go = delivered
        if delivered:
            self._quiet_since = self._clock()

    @property
    def is_overdue(self) -> bool:
        """Whether one may go between two calls."""
        return self.may_go and self._clock() - self._left_at >= self._overdue_seconds

    @property
    def call_ends_at(self) -> float:
        """When the call with the one that was asked for last is given up."""
        return self._left_at + _CALL_SECONDS

    def quiet_for_more_seconds(self, due_at: float) -> float | None:
        """How long until one leaves although nothing was delivered, in no pause of delivery's; None: never."""
        if self._source is None or self._quiet_seconds_max is None:
            return None
        now = self._clock()
        seconds = max(self._quiet_seconds_max - (now - self._quiet_since), due_at - now)
        return max(seconds, RESOLUTION_SECONDS) if seconds > 0 else 0.0

    def ask(self) -> bytes | None:
        """Ask for one, encoded; None: there is nothing to say. It raises whatever its source raises."""
        self.may_go = False
        try:
            encoded = None if self._source is None else self._source()
        finally:
            # After it was asked for, by however little: so long after this the same time is over for whoever gives it.
            self._quiet_since = self._clock()
        if encoded is not None:
            self._left_at = self._quiet_since
        return encoded

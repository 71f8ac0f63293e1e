"""When the bridge says something of itself: after a delivery, where it was quiet for long, or where it is overdue."""

from __future__ import annotations

from collections.abc import Callable

from bridge.delivery import RESOLUTION_SECONDS

OVERDUE_SECONDS = 120.0
"""Where something always waits, or comes before a bulletin has arrived, one leaves between two calls so long after the
last that was delivered: else nobody could see from outside that the queue never empties. Only a stop ends that one, and
where it is lost as well, the next such one is as far off."""
_CALL_SECONDS = 5.0
"""A bulletin may take so long; a put or a stop ends it at once."""
_SLOWER = 2.0
"""Where the job's last call was slow, a bulletin may take so many times as long, if that is more."""


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
        self._left_at = self._counted_at = self._quiet_since = clock()
        self._may_go = False  # the last call was a delivery, and none was asked for since
        self._call_seconds_max = _CALL_SECONDS
        self._crowded = False

    def start(self, source: Callable[[], bytes | None] | None, quiet_seconds_max: float | None) -> None:
        """Have them asked for from now on; see `bridge.sender.Sender.start`."""
        self._source = source
        self._quiet_since, self._quiet_seconds_max = self._clock(), quiet_seconds_max

    def tell(self, *, delivered: bool, seconds: float = 0.0) -> None:
        """Take up what became of a call with the job's data, and how long it took."""
        self._may_go = delivered
        if delivered:
            self._quiet_since = self._clock()
            self._call_seconds_max = max(_CALL_SECONDS, _SLOWER * seconds)

    def tell_own(self, *, delivered: bool, crowded: bool) -> None:
        """Take up what became of the one that left last, and whether the job's data came meanwhile.

        One that had to make way cost a good connection: the next waits until it is overdue, and so on until one arrives
        before the job's data comes.
        """
        if delivered:
            self._counted_at = self._left_at
            self._crowded = self._crowded and crowded
        elif crowded:
            self._crowded = True

    @property
    def may_go(self) -> bool:
        """Whether one may go now that nothing waits: after a delivery, and none was asked for since."""
        return self._may_go and not self._crowded

    @property
    def is_overdue(self) -> bool:
        """Whether one may go between two calls."""
        return self._may_go and self._clock() - self._counted_at >= self._overdue_seconds

    @property
    def call_ends_at(self) -> float:
        """When the call with the one that was asked for last is given up."""
        return self._left_at + self._call_seconds_max

    def quiet_for_more_seconds(self, due_at: float) -> float | None:
        """How long until one leaves although nothing was delivered, in no pause of delivery's; None: never."""
        if self._source is None or self._quiet_seconds_max is None:
            return None
        now = self._clock()
        seconds = max(self._quiet_seconds_max - (now - self._quiet_since), due_at - now)
        return max(seconds, RESOLUTION_SECONDS) if seconds > 0 else 0.0

    def ask(self) -> bytes | None:
        """Ask for one, encoded; None: there is nothing to say. It raises whatever its source raises."""
        overdue, self._may_go = self.is_overdue, False
        try:
            encoded = None if self._source is None else self._source()
        finally:
            # After it was asked for, by however little: so long after this the same time is over for whoever gives it.
            self._quiet_since = self._clock()
        if encoded is not None:
            self._left_at = self._quiet_since
            if overdue:
                self._counted_at = self._left_at  # should it be lost, the job's data need not wait for another one soon
        return encoded

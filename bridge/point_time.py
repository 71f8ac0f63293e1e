"""The time that points carry: the wall clock's, except that it never falls where somebody sets that clock back.

A back end leaves out a point that is older than the one it has, with an OK: the old value would stand there for as long
as the clock was set back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.loop import Clock

_HALF_A_SECOND_NANO = 500_000_000


class PointTime:
    """Time that goes on: with the wall clock, or half as fast for as long as that one lies behind.

    So no two ticks have one time, and after a leap back of an hour both are the same again within two.

    Args:
        clock: the bridge's.
        seconds: a moment on the monotonic clock.
        unix_nano: the same one on the wall clock: no point lies before it.
    """

    def __init__(self, clock: Clock, seconds: float, unix_nano: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._unix_nano = unix_nano

    def now_unix_nano(self) -> int:
        """The time of a point that is made now."""
        seconds = self._clock.monotonic()
        least = self._unix_nano + int((seconds - self._seconds) * _HALF_A_SECOND_NANO)
        self._seconds, self._unix_nano = seconds, max(self._clock.time_ns(), least)
        return self._unix_nano

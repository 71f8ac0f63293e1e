"""Waiting for a descriptor without waiting too long: the one place where a call blocks."""

from __future__ import annotations

import select
from collections.abc import Callable

from bridge.transports import Patience

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
LOOK_AGAIN_SECONDS = 0.1
"""How often a deadline is looked at whose descriptor stays readable: polling that one would spin."""


class OutOfTimeError(Exception):
    """The deadline of the call has passed."""


class Waiting:
    """One call's patience turned into polls.

    Args:
        patience: the deadline, which may come nearer while the call waits.
        clock: monotonic seconds.
    """

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._woken = False

    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock()

    def remaining_seconds(self) -> float:
        """Seconds left, more than 0.

        Raises:
            OutOfTimeError: none are left.
        """
        seconds = self._patience.deadline() - self._clock()
        if seconds <= 0:
            raise OutOfTimeError
        return seconds

    def wait(self, fileno: int, events: int, until: float) -> bool:
        """Wait until ``fileno`` is ready for ``events`` (or broken), or the moment ``until`` has come.

        Returns:
            Whether ``fileno`` is ready.

        Raises:
            OutOfTimeError: the deadline came first.
        """
        wakeup = self._patience.fileno()
        while True:
            seconds = min(self.remaining_seconds(), until - self._clock())
            poll = select.poll()
            poll.register(fileno, events)
            if self._woken:
                seconds = min(seconds, LOOK_AGAIN_SECONDS)
            elif wakeup >= 0:
                poll.register(wakeup, READABLE)
            ready = [found for found, _ in poll.poll(milliseconds(seconds))]
            if fileno in ready:
                return True
            self._woken = self._woken or wakeup in ready
            if self._clock() >= until:
                return False


def milliseconds(seconds: float) -> int:
    """Round up, so that a wait for less than a millisecond does not become many waits for none."""
    return max(0, -int(-seconds * 1000 // 1))

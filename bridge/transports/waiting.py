"""Waiting for a descriptor without waiting too long: the one place where a call blocks."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import NamedTuple

from bridge.transports import Patience

READABLE = select.POLLIN
WRITABLE = select.POLLOUT
LOOK_AGAIN_SECONDS = 0.1
"""How often a deadline is looked at whose descriptor stays readable: polling that one would spin."""


class Timing(NamedTuple):
    """How long each part of a call may take at most, in seconds, whatever time the call as a whole has."""

    resolve: float = 5.0
    """One look-up of a name: as long as the C library gives one name server by default."""
    connect: float = 2.0
    """One address: a lost SYN is sent again after 1 s, so two tries fit in; then the next address is better."""
    handshake: float = 2.5
    """Of TLS, from the connection to its end: two round trips and a signature."""
    settings: float = 2.5
    """From the connection (with TLS: from the handshake's end) to the peer's first frame: more means that nobody reads
    there."""
    ping_after: tuple[float, ...] = (2.0, 4.0)
    """A call that hears nothing for so long sends its first, its second PING. There is no third until the peer has
    answered a call: servers count pings without data in between and at the third say GOAWAY (too_many_pings)."""
    ping_answer: float = 3.0
    """A peer from which nothing at all comes for so long after a PING is gone: 5 s after the last sign of life."""


DEFAULT_TIMING = Timing()


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

        A negative ``fileno`` is none: then there is only the moment.

        Returns:
            Whether ``fileno`` is ready.

        Raises:
            OutOfTimeError: the deadline came first.
        """
        wakeup = self._patience.fileno()
        while True:
            seconds = min(self.remaining_seconds(), until - self._clock())
            poll = select.poll()
            if fileno >= 0:
                poll.register(fileno, events)
            if self._woken:
                seconds = min(seconds, LOOK_AGAIN_SECONDS)
            elif wakeup >= 0:
                poll.register(wakeup, READABLE)
            ready = [found for found, _ in poll.poll(milliseconds(seconds))]
            if fileno >= 0 and fileno in ready:
                return True
            self._woken = self._woken or wakeup in ready
            if self._clock() >= until:
                return False


def milliseconds(seconds: float) -> int:
    """Round up, so that a wait for less than a millisecond does not become many waits for none."""
    return max(0, -int(-seconds * 1000 // 1))

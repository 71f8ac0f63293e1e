"""Waiting for what has to come true, never for time alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class WaitedTooLongError(Exception):
    """What was waited for did not come true in time."""


class InterruptedRunError(Exception):
    """The run was told to end now."""


class Patience:
    """Waits that an interrupt ends at once.

    Args:
        interrupt: set from outside to end every wait.
    """

    def __init__(self, interrupt: threading.Event) -> None:
        self._interrupt = interrupt

    def hold(self, seconds: float) -> None:
        """Let so many seconds pass.

        Raises:
            InterruptedRunError: the interrupt was set before or meanwhile.
        """
        if self._interrupt.wait(max(0.0, seconds)):
            raise InterruptedRunError

    def until(self, condition: Callable[[], bool], *, within: float, what: str, every: float = 0.02) -> None:
        """Return as soon as the condition holds, looking ``every`` so many seconds, at least once.

        Raises:
            WaitedTooLongError: it did not hold within so many seconds; the message says what was waited for.
            InterruptedRunError: the interrupt was set meanwhile.
        """
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() >= deadline:
                raise WaitedTooLongError(f"waited {within:g} s in vain: {what}")
            self.hold(every)


def wait_until(condition: Callable[[], bool], *, within: float, what: str, every: float = 0.02) -> None:
    """As `Patience.until`, where nothing interrupts.

    Raises:
        WaitedTooLongError: the condition did not hold within so many seconds.
    """
    Patience(threading.Event()).until(condition, within=within, what=what, every=every)

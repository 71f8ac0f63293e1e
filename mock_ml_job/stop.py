"""The wish to end, by SIGTERM or SIGINT, and waiting that it cuts short."""

from __future__ import annotations

import os
import select
import signal
from typing import Protocol


class Stop(Protocol):
    """Whether the job is to end."""

    @property
    def requested(self) -> bool:
        """True: no further write, end at once."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end is requested."""
        ...


class SignalStop:
    """Requested by the first SIGTERM or SIGINT. One in a process, made in the main thread.

    A pipe and select() rather than an Event: they wait with microseconds, and a signal cannot meet a held lock.
    """

    def __init__(self) -> None:
        self.requested = False
        self._wake, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a signal comes."""
        if not self.requested and seconds > 0:
            select.select([self._wake], [], [], seconds)

    def _note(self, _number: int, _frame: object) -> None:
        self.requested = True

"""The wish to end: asked for by a signal at any moment, waited for by the loop.

Imports next to nothing, so that it is there before the slow imports: as PID 1 a process without a handler ignores
SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from types import FrameType

_FORCED = b"second signal: ended at once, without delivering what waits\n"


class Stop:
    """Whether to end. The handler only notes the signal; what is to be done about it is the loop's business."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)

    def install(self) -> None:
        """Take SIGTERM and SIGINT from now on. Main thread only."""
        # The interpreter's own handler writes to the pipe, at once: a signal that comes just before poll() begins to
        # wait would otherwise be looked at only when the wait is over.
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def ask(self, signal_number: int = signal.SIGTERM) -> None:
        """Ask for the end, as a signal would, from any thread."""
        self.signal_number = signal_number
        with contextlib.suppress(BlockingIOError):  # full, so it is readable
            os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> bool:
        """Wait so long or until the end is asked for; whether it is. Once asked for, it never waits again."""
        if self.signal_number is None and self._poll.poll(max(0.0, seconds) * 1000):
            os.read(self._reader, 4096)
        return self.signal_number is not None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is not None:
            self._say(_FORCED)
            os._exit(128 + number)
        self.ask(number)

    @staticmethod
    def _say(line: bytes) -> None:
        """Write it to stderr, unless that would wait for somebody who does not read."""
        stderr = select.poll()
        stderr.register(2, select.POLLOUT)
        with contextlib.suppress(OSError):
            if stderr.poll(0):
                os.write(2, line)

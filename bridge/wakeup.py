"""Waking a thread that waits for descriptors."""

from __future__ import annotations

import os


class Wakeup:
    """A pipe whose reading end becomes readable by `wake`, until `clear`."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._closed = False
        self._awake = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._reader

    def wake(self) -> None:
        """Make it readable; once is as good as many times."""
        try:
            if not self._closed:
                os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # full, so it is readable
        self._awake = True  # after the write: a clear in between leaves it readable, and the next one sees it

    def clear(self) -> None:
        """Make it unreadable. Asked several times a call, mostly for nothing: so it looks before it reads."""
        if not self._awake:
            return
        self._awake = False
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Give both descriptors back."""
        if not self._closed:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

"""Waking a thread that waits for descriptors."""

from __future__ import annotations

import os
import threading


class Wakeup:
    """A pipe whose reading end becomes readable by `wake`, until `clear`. It holds one byte while awake, else none."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._lock = threading.Lock()
        self._closed = False
        self._awake = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._reader

    def wake(self) -> None:
        """Make it readable; once is as good as many times."""
        with self._lock:
            if not self._awake and not self._closed:
                self._awake = True
                os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Make it unreadable. Asked several times a call, mostly for nothing: so it looks before it reads."""
        if self._awake:
            with self._lock:
                if self._awake:
                    self._awake = False
                    os.read(self._reader, 1)

    def close(self) -> None:
        """Give both descriptors back."""
        if not self._closed:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

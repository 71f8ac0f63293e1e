"""How a benchmark that is told to end ends what it started."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Meanwhile SIGTERM ends this process as Ctrl-C does: whatever stands in a ``with`` is closed. Main thread only.

    Without it the processes that were being measured would go on, beside whatever is measured next.
    """
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

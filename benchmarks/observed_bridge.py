"""The bridge itself, which also writes down each request that it has queued: the truth that a kill is judged by.

``python -m benchmarks.observed_bridge LEDGER``: one line for each request, as soon as it is in the queue: process id,
CLOCK_MONOTONIC in seconds, the encoded request in hex. Else it is the bridge, in its own process, and dies like it.
"""

from __future__ import annotations

import os
import sys
import time

from bridge.__main__ import main
from bridge.sender import Sender


def observe(ledger: str) -> None:
    """Have each put written down from now on."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    put = Sender.put

    def observed(self: Sender, encoded: bytes) -> None:
        put(self, encoded)
        os.write(descriptor, f"{os.getpid()} {time.monotonic()} {encoded.hex()}\n".encode())

    Sender.put = observed  # type: ignore[method-assign]  # to look over its shoulder is what this is for


if __name__ == "__main__":
    observe(sys.argv[1])
    sys.exit(main([]))

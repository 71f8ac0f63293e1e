"""A bridge that starts a thread for each call that did not get through, and never ends it."""

from __future__ import annotations

import sys
import threading

from bridge.__main__ import main
from bridge.delivery import Send
from bridge.otlp import Unreachable
from bridge.sender import Sender

send_without_leak = Sender._send  # noqa: SLF001 - a mutant breaks what is inside
never = threading.Event()


def send(self: Sender, step: Send) -> object:
    """Send, and leave a thread behind where the collector was not reached."""
    outcome = send_without_leak(self, step)
    if isinstance(outcome, Unreachable):
        threading.Thread(target=never.wait, daemon=True).start()
    return outcome


if __name__ == "__main__":
    Sender._send = send  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the defect
    sys.exit(main())

"""A bridge that takes no notice of SIGTERM, as a program without a handler does as PID 1."""

from __future__ import annotations

import signal
import sys

from bridge.__main__ import main
from bridge.stop import Stop


def install(self: Stop) -> None:  # noqa: ARG001 - the real one's
    """Ignore what asks for the end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    Stop.install = install  # type: ignore[method-assign]  # the defect
    sys.exit(main())

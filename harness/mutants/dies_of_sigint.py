"""A bridge that knows SIGTERM and ends of SIGINT without a word."""

from __future__ import annotations

import signal
import sys

from bridge.__main__ import main
from bridge.stop import Stop

install_both = Stop.install


def install(self: Stop) -> None:
    """Take SIGTERM alone."""
    install_both(self)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    Stop.install = install  # type: ignore[method-assign]  # the defect
    sys.exit(main())

"""A bridge that has no handler for signals until its slow imports are done."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from bridge import __main__ as program
from bridge.stop import Stop

IMPORTS_CPU_SECONDS = 0.3
"""What those of OpenTelemetry's SDK take at least; a fast machine is done with the bridge's own after 0.1 s."""

install = Stop.install
run_at_once = program.run


def install_nothing(self: Stop) -> None:
    """Leave it for later."""


def run(environ: Mapping[str, str], stop: Stop) -> int:
    """Import what is slow, then take the signals."""
    from bridge import wiring  # noqa: F401, PLC0415 - the slow ones

    while time.process_time() < IMPORTS_CPU_SECONDS:
        pass
    install(stop)
    return run_at_once(environ, stop)


if __name__ == "__main__":
    Stop.install = install_nothing  # type: ignore[method-assign]  # the defect
    program.run = run  # the defect
    sys.exit(program.main())

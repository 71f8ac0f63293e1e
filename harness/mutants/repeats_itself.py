"""A bridge that puts each request into its call a hundred times."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bridge import otlp
from bridge.__main__ import main
from bridge.otlp import Outcome
from bridge.transports import Patience, Transport

TIMES = 100

send = otlp.export


def export(transport: Transport, bodies: Sequence[bytes], patience: Patience) -> Outcome:
    """Send all of it again and again."""
    return send(transport, [*bodies] * TIMES, patience)


if __name__ == "__main__":
    otlp.export = export  # the defect
    sys.exit(main())

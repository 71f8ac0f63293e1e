"""A bridge that ends when the network breaks a connection under a call."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from bridge import otlp
from bridge.__main__ import main
from bridge.otlp import Outcome, Unreachable
from bridge.transports import Patience, Transport

send = otlp.export


def export(transport: Transport, bodies: Sequence[bytes], patience: Patience) -> Outcome:
    """Send, or end."""
    outcome = send(transport, bodies, patience)
    if isinstance(outcome, Unreachable):
        os._exit(1)
    return outcome


if __name__ == "__main__":
    otlp.export = export  # the defect
    sys.exit(main())

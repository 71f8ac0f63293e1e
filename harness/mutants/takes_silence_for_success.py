"""A bridge that takes a call for delivered as soon as it may have arrived."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bridge import otlp
from bridge.__main__ import main
from bridge.otlp import Delivered, Outcome, Unreachable
from bridge.transports import Patience, Transport

send = otlp.export


def export(transport: Transport, bodies: Sequence[bytes], patience: Patience) -> Outcome:
    """Send, and hope."""
    outcome = send(transport, bodies, patience)
    if isinstance(outcome, Unreachable) and outcome.may_have_arrived:
        return Delivered(0, "")
    return outcome


if __name__ == "__main__":
    otlp.export = export  # the defect
    sys.exit(main())

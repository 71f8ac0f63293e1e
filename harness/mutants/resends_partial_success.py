"""A bridge that sends all of a request again of which the collector left points out."""

from __future__ import annotations

import sys

from bridge import otlp
from bridge.__main__ import main
from bridge.otlp import Busy, Delivered, Outcome
from bridge.transports import Answer

judge = otlp.outcome_of


def outcome_of(answer: Answer) -> Outcome:
    """Take a partial success for a failure."""
    outcome = judge(answer)
    if isinstance(outcome, Delivered) and outcome.rejected_points:
        return Busy("not all of it was taken", None, "OK")
    return outcome


if __name__ == "__main__":
    otlp.outcome_of = outcome_of  # the defect
    sys.exit(main())

"""A bridge that takes a full Collector's UNAVAILABLE for a refusal for good."""

from __future__ import annotations

import sys

from bridge import otlp
from bridge.__main__ import main
from bridge.otlp import Outcome, Refused
from bridge.transports import Answer

judge = otlp.outcome_of


def outcome_of(answer: Answer) -> Outcome:
    """Judge an answer, this one wrongly."""
    outcome = judge(answer)
    return Refused("it does not want this", outcome.status) if outcome.status == "UNAVAILABLE" else outcome


if __name__ == "__main__":
    otlp.outcome_of = outcome_of  # the defect
    sys.exit(main())

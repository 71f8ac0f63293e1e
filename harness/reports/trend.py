"""Figures to be kept from release to release: name, unit, value. Smaller is better in all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.verdict import Judgement


def render(judgements: Sequence[Judgement]) -> str:
    """Return a JSON list of the measured figures."""
    figures = [
        {"name": f"{judgement.scenario} {result.check}", "unit": result.unit, "value": result.measured}
        for judgement in judgements
        for result in judgement.checks
        if result.measured is not None
    ]
    return json.dumps(figures, indent=2) + "\n"

"""Figures to be kept from release to release: name, unit, value. Smaller is better in all of them.

This is the form that github-action-benchmark calls ``customSmallerIsBetter``. A figure of several runs is their median,
with the distance from their lowest to their highest beside it. What nobody should believe is left out: the figures of
a run that was not carried out, and those of a check that could not decide.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence

from harness.checks import CheckResult, Verdict
from harness.verdict import Judgement

_DEFAULT_RIG = "embedded"


def render(judgements: Sequence[Judgement]) -> str:
    """Return a JSON list of the measured figures, each name once."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for judgement in judgements:
        if judgement.verdict is not Verdict.HARNESS_ERROR:
            for result in judgement.checks:
                if result.measured is not None and result.verdict is not Verdict.INCONCLUSIVE:
                    found[_name(judgement, result), result.unit].append(result.measured)
    figures = [_figure(name, unit, values) for (name, unit), values in found.items()]
    return json.dumps(figures, indent=2) + "\n"


def _name(judgement: Judgement, result: CheckResult) -> str:
    """A check that holds two promises in one scenario is two figures; the rig belongs to the figure."""
    twice = sum(other.check == result.check for other in judgement.checks) > 1
    rig = "" if judgement.rig == _DEFAULT_RIG else f" on {judgement.rig}"
    return f"{judgement.scenario} {result.check}" + (f" ({result.promise})" if twice else "") + rig


def _figure(name: str, unit: str, values: list[float]) -> dict[str, object]:
    figure: dict[str, object] = {"name": name, "unit": unit, "value": statistics.median(values)}
    if len(values) > 1:
        figure |= {"range": f"{max(values) - min(values):.6g}", "extra": f"median of {len(values)} runs"}
    return figure

"""Why any of the report may be believed: broken bridges that were caught, worse ones that were marked, the noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from benchmarks.compare import UNCHANGED, Finding, proven
from benchmarks.report.page import Section
from harness.mutants import MUTANTS
from harness.mutants.proof import of_mutant, of_real_bridge
from harness.verdict import Judgement

REAL = "real."
"""How the folder of a run of the bridge itself begins, beside those of the mutants."""
_OF_A_FINDING = [field.name for field in fields(Finding)]


def of_trust(judgements: Mapping[str, Judgement], comparison: Sequence[str], noise: Sequence[str]) -> Section:
    """Put the sentences together."""
    return Section("Trust", (*of_mutants(judgements), *comparison, *noise))


def of_mutants(judgements: Mapping[str, Judgement]) -> list[str]:
    """Say how many mutants were caught, and whether the bridge itself was not."""
    if not judgements:
        return []
    found = [of_mutant(mutant, judgements[mutant.name]) for mutant in MUTANTS if mutant.name in judgements]
    missed = [one.bridge for one in found if not one.proven]
    lacking = [mutant.name for mutant in MUTANTS if mutant.name not in judgements]
    told = [f"{len(found) - len(missed)} of {len(MUTANTS)} mutants caught by the check that claims them."]
    told += [f"Not caught: {', '.join(missed)}."] if missed else []
    told += [f"Not run: {', '.join(lacking)}."] if lacking else []
    real = [of_real_bridge(one) for name, one in judgements.items() if name.startswith(REAL)]
    failing = [f"{one.scenario} ({one.judgement.verdict})" for one in real if not one.proven]
    told.append(f"The bridge itself passed {len(real) - len(failing)} of {len(real)} of their scenarios.")
    return told + ([f"It did not pass {', '.join(failing)}."] if failing else [])


def of_comparison(told: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how often each bridge was marked as it should be; none where it is no proof, or names no bridge."""
    findings: dict[str, dict[int, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for one in told:
        if "trial" in one and "bridge" in one:
            findings[one["bridge"]][one["trial"]].append(Finding(**{name: one[name] for name in _OF_A_FINDING}))
    words = []
    for name, trials in findings.items():
        right = [proven(name, found) for found in trials.values()]
        marked = right.count(name != UNCHANGED)
        unknown = f"; {count} could not be told" if (count := right.count(None)) else ""
        words.append(
            f"Side by side with the bridge itself, {name} was marked worse in {marked} of {len(right)} "
            f"comparisons{unknown}."
        )
    return words

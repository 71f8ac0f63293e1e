"""How figures are written in every report."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks import CheckResult, Verdict

NOTHING = "-"

_SINGULAR = {
    "exits": "exit", "lost writes": "lost write", "wrong deliveries": "wrong delivery", "wrong values": "wrong value",
    "early calls": "early call", "repeated updates": "repeated update", "threads": "thread", "log lines": "log line",
    "descriptors": "descriptor", "calls/s": "call/s", "switches/s": "switch/s", "threads/h": "thread/h",
    "descriptors/h": "descriptor/h", "connections/s": "connection/s",
}  # fmt: skip
"""Units that are counted. All others are the same for one and for many."""
_HUNDRED = 100
_TEN = 10


def figure(value: float | None) -> str:
    """Write a figure with three significant digits or more, never in exponents; ``-`` for none."""
    if value is None:
        return NOTHING
    if value == int(value):
        return str(int(value))
    size = abs(value)
    if size >= _HUNDRED:
        return f"{value:.0f}"
    if size >= _TEN:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2f}" if size >= 1 else f"{value:.3f}" if size >= 0.001 else "<0.001"  # noqa: PLR2004 - the last digit


def quantity(value: float | None, unit: str) -> str:
    """Write a figure with its unit, one of it in the singular; ``-`` alone for none."""
    written = figure(value)
    if value is None:
        return written
    return f"{written} {_SINGULAR.get(unit, unit) if written == '1' else unit}"


def target(result: CheckResult) -> str:
    """Write our own aim, marked where it was missed: it decides nothing."""
    mark = "!" if result.target_met is False else ""
    return figure(result.target) + mark


def count_words(verdicts: Sequence[Verdict]) -> str:
    """Say how many scenarios got which verdict, worst first."""
    order = (Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.NOT_RUN, Verdict.PASS)
    return (
        ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in order if verdict in verdicts) or "nothing run"
    )

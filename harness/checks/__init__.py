"""Pure functions from a saved record to a verdict.

`CHECKS` is the whole list. A new check is one function in one of these files and one line in that file's table.
"""

from __future__ import annotations

from harness.checks import (
    back_end,
    delivery,
    exact,
    fields,
    figures,
    freshness,
    latency,
    liveness,
    logs,
    manners,
    overflow,
    resources,
    returns,
    series,
    shutdown,
    totals,
)
from harness.checks.contract import Check, CheckResult, Measure, Verdict

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        *resources.CHECKS,
        *figures.CHECKS,
        *returns.CHECKS,
        *logs.CHECKS,
        *latency.CHECKS,
        *delivery.CHECKS,
        *fields.CHECKS,
        *totals.CHECKS,
        *exact.CHECKS,
        *series.CHECKS,
        *freshness.CHECKS,
        *overflow.CHECKS,
        *back_end.CHECKS,
        *manners.CHECKS,
        *liveness.CHECKS,
        *shutdown.CHECKS,
    )
}
"""Every check by its name."""

__all__ = ["CHECKS", "Check", "CheckResult", "Measure", "Verdict"]

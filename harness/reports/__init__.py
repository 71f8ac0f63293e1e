"""Judged runs -> text: one report, one file, one function.

`REPORTS` is the whole list of those that come as text.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.reports import console, html, junit, markdown, promises, trend
from harness.reports.contract import Judged, Report, of_verdicts

__all__ = ["REPORTS", "Judged", "Report"]

REPORTS: Mapping[str, Report] = {
    "console": of_verdicts(console.render),
    "html": html.render,
    "markdown": of_verdicts(markdown.render),
    "promises": of_verdicts(promises.render),
    "junit": junit.render,
    "trend": of_verdicts(trend.render),
}
"""Every report by the name that the command line gives it."""

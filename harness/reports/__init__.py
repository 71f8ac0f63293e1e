"""Verdicts -> text: one report, one file, one function.

`REPORTS` is the whole list of those that come as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.reports import console, junit, markdown, promises, trend
from harness.verdict import Judgement

REPORTS: dict[str, Callable[[Sequence[Judgement]], str]] = {
    "console": console.render,
    "markdown": markdown.render,
    "promises": promises.render,
    "junit": junit.render,
    "trend": trend.render,
}
"""Every report by the name that the command line gives it."""

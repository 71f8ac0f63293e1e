"""The page of the checks, ``docs/checks.md``: made from their table, so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks import CHECKS
from harness.checks.contract import Check
from harness.promises import Promises
from harness.promises import load as load_promises

_HEAD = """# Checks

What is looked for in a run's record. A scenario names a check with the promise whose limit holds it
(`harness/promises.yaml`); [adding-a-scenario.md](adding-a-scenario.md) says what the keys do. With fewer samples than
stand here a check says INCONCLUSIVE. This page is made from the table of the checks
(`python -m harness list --checks`); a test compares it.

| check | what it counts, in what unit | samples at least | promises | keys | note |
|---|---|---:|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown."""
    promises = load_promises()
    return _HEAD + "".join(f"{_row(check, promises)}\n" for check in CHECKS.values())


def _row(check: Check, promises: Promises) -> str:
    held = ", ".join(name for name, promise in promises.promises.items() if check.name in promise.budgets)
    keys = ", ".join(f"`{key}`" for key in _keys(check)) or "-"
    note = "; ".join(_notes(check)) or "-"
    return f"| `{check.name}` | {check.what} ({check.unit}) | {check.samples_min} | {held or '-'} | {keys} | {note} |"


def _keys(check: Check) -> Iterator[str]:
    if not check.whole_run:
        yield "during"
    if check.lets_go:
        yield "keeps_at_least"
    if check.settles:
        yield "stable_for"
    if check.wants_pattern:
        yield "pattern"


def _notes(check: Check) -> Iterator[str]:
    if check.alone:
        yield "its scenario runs by itself"
    if check.needs_fault:
        yield "needs a fault"
    if check.needs:
        yield f"needs {', '.join(sorted(check.needs))}"

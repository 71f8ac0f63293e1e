"""Lines of the bridge's log: a pattern that must not stand there, or one that must.

A bridge that says nothing said nothing wrong; only where there is no log at all nobody knows.
"""

from __future__ import annotations

import re

from harness.checks.contract import Check, Measure
from harness.record import RunRecord
from harness.scenario import CheckSpec
from harness.started import CUT_OFF

_LINE_CHARACTERS_MAX = 2000
"""Of a line so much is looked at, so that no pattern takes for ever."""
_SHOWN_CHARACTERS = 120
_NO_LOG = Measure(None, 0, "the record has no bridge.log")


def log_absent(record: RunRecord, spec: CheckSpec) -> Measure:
    """Count the lines in which the pattern stands."""
    lines = record.bridge_log
    if lines is None:
        return _NO_LOG
    pattern = re.compile(spec.pattern or "")
    found = [line for line in lines if pattern.search(line[:_LINE_CHARACTERS_MAX])]
    said = f"{len(found)} of {len(lines)} lines of bridge.log match {spec.pattern!r}"
    if found:
        evidence = f"{said}, the first of them: {found[0].strip()[:_SHOWN_CHARACTERS]}"
        return Measure(float(len(found)), len(lines), evidence, broken=True)
    if any(CUT_OFF in line for line in lines):
        return Measure(None, 0, f"{said}, but it was so long that a part of it was cut off")
    return Measure(0.0, len(lines), said)


def log_present(record: RunRecord, spec: CheckSpec) -> Measure:
    """0 where the pattern stands in a line, else 1."""
    lines = record.bridge_log
    if lines is None:
        return _NO_LOG
    pattern = re.compile(spec.pattern or "")
    first = next((line for line in lines if pattern.search(line[:_LINE_CHARACTERS_MAX])), None)
    if first is not None:
        return Measure(0.0, len(lines), f"{spec.pattern!r} stands in bridge.log: {first.strip()[:_SHOWN_CHARACTERS]}")
    said = f"{spec.pattern!r} stands in none of the {len(lines)} lines of bridge.log"
    if any(CUT_OFF in line for line in lines):
        return Measure(None, 0, f"{said} that are left of it")
    return Measure(1.0, len(lines), said, broken=True)


CHECKS = (
    Check(
        "log-absent", "lines of the bridge's log that match `pattern`", "log lines", log_absent, 0, wants_pattern=True
    ),
    Check(
        "log-present",
        "1 where no line of the bridge's log matches `pattern`",
        "log lines",
        log_present,
        1,
        wants_pattern=True,
    ),
)

"""What may be lost where an outage is longer than the queue: the oldest, and nothing else."""

from __future__ import annotations

from harness.checks.contract import Check, Measure
from harness.checks.delivery import delivered, unmissable
from harness.checks.spans import Span
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec

_OUTAGES = ("collector-", "network-")
"""Names of faults begin so that keep the bridge from delivering."""


def oldest_make_room(record: RunRecord, spec: CheckSpec) -> Measure:
    """Count the lost writes of an outage that are newer than one which was kept.

    Where fewer than ``keeps_at_least`` writes of an outage were kept, the missing ones count too. An outage in which
    nothing was lost shows nothing: the queue was never full.
    """
    shown = delivered(record)
    due = unmissable(record)
    wrong: list[tuple[float, str]] = []
    overflowed = 0
    for span in _outages(record):
        writes = [write for write in due if span.start <= write.t <= span.end]
        lost = [write for write in writes if write.sequence not in shown]
        kept = [write for write in writes if write.sequence in shown]
        if lost and kept[:1] == writes[:1]:
            kept = kept[1:]  # it was in flight when the outage began, so nobody could know whether it is lost
        overflowed += len(writes) if lost else 0
        wrong += _newer_than_kept(lost, kept)
        if lost and len(kept) < (spec.keeps_at_least or 0):
            few = f"of the outage from {span.start:.1f} s on {len(kept)} writes were kept, not {spec.keeps_at_least}"
            wrong += [(span.start, few)] * ((spec.keeps_at_least or 0) - len(kept))
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), overflowed, evidence, at, broken=True)
    if not overflowed:
        return Measure(None, 0, "no write was lost in any outage: the queue was never full")
    return Measure(0.0, overflowed, f"of {overflowed} writes in outages the oldest were lost, and no newer one")


def _newer_than_kept(lost: list[Write], kept: list[Write]) -> list[tuple[float, str]]:
    if not kept:
        return []
    oldest = kept[0]
    return [
        (write.t, f"write {write.sequence}, at {write.t:.1f} s, was lost, and the older write {oldest.sequence} kept")
        for write in lost
        if write.sequence > oldest.sequence
    ]


def _outages(record: RunRecord) -> list[Span]:
    began: dict[object, float] = {}
    spans: list[Span] = []
    for event in record.events:
        if event.kind != "fault" or not str(event.data.get("fault", "")).startswith(_OUTAGES):
            continue
        key = (event.data.get("step"), event.data.get("fault"))
        if event.data.get("action") == "inject":
            began.setdefault(key, event.t)
        elif event.data.get("action") == "heal" and key in began:
            spans.append(Span(began.pop(key), event.t))
    return spans


CHECKS = (
    Check(
        "oldest-make-room",
        "writes lost in an outage longer than the queue although older ones were kept",
        "lost writes",
        oldest_make_room,
        samples_min=5,
        needs_fault=True,
        lets_go=True,
    ),
)

"""Totals and histograms one delivery after the other, each with what its job had done by then."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.checks.arrivals import JOB_ID, SAME_TICK_NANO, STAMP_LATE_SECONDS, Update, arrivals, ticks
from harness.record import Point, RunRecord, Write


@dataclass(frozen=True, slots=True)
class Step:
    """A total at the sink, and the writes between which it was taken.

    One whose tick shows a gauge holds what was done at that write. One that came alone, as from a bridge that sends its
    metrics in several calls, or one whose gauges have ended, holds at least what was shown last of its job by its own
    time, and at most what was visible when it arrived.
    """

    t: float
    """When it reached the sink."""
    point: Point
    write: Write
    """What it holds at least."""
    index: int
    """The place of that write in the ledger."""
    newest: Write
    """What it may hold."""
    newest_index: int

    @property
    def total(self) -> float:
        """The counter's number, or the histogram's sum."""
        return float(self.point.value or 0)

    def same_start(self, before: Step) -> bool:
        """Whether it goes on from another one."""
        return before.point.start_time_unix_nano == self.point.start_time_unix_nano


def steps_of_each_job(record: RunRecord, metric: str) -> list[list[Step]]:
    """The points of one metric for each job by its name, in order of arrival."""
    writes = record.ledger.writes
    with_gauges: dict[int, int] = {}
    shown: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for arrival in arrivals(record):
        if arrival.write is None or arrival.index is None:
            continue
        shown[arrival.write.job_id].append((arrival.update.time_unix_nano, arrival.index))
        if (point := arrival.update.valued(metric, arrival.write.job_id)) is not None:
            with_gauges[id(point)] = arrival.index
    for seen in shown.values():
        seen.sort()
    found: dict[str, list[Step]] = {}
    for tick in ticks(record):
        for point in tick.points:
            if point.metric != metric or point.no_recorded_value or point.value is None:
                continue
            index = with_gauges.get(id(point))
            places = (index, index) if index is not None else _between(tick, point, shown, writes)
            if places is not None:
                step = Step(tick.t, point, writes[places[0]], places[0], writes[places[1]], places[1])
                found.setdefault(step.write.job_id, []).append(step)
    return list(found.values())


def _between(
    tick: Update, point: Point, shown: Mapping[str, Sequence[tuple[int, int]]], writes: Sequence[Write]
) -> tuple[int, int] | None:
    """The places of the writes between which a total was taken that came alone; None: its job had written nothing."""
    named = point.attributes.get(JOB_ID)
    visible = [
        index
        for index, write in enumerate(writes)
        if write.t <= tick.t + STAMP_LATE_SECONDS and (named is None or write.job_id == str(named))
    ]
    if not visible:
        return None
    job_id = writes[visible[-1]].job_id
    mine = [index for index in visible if writes[index].job_id == job_id]
    seen = shown.get(job_id, ())
    place = bisect_right(seen, (tick.time_unix_nano + SAME_TICK_NANO, len(writes)))
    least = min(seen[place - 1][1], mine[-1]) if place else mine[0]
    return least, mine[-1]

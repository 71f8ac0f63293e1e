"""What a record shows over time, as curves with the budgets that hold for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.checks import CheckResult
from harness.checks.arrivals import arrivals, updates
from harness.checks.latency import ages
from harness.checks.spans import Span, run_end
from harness.record import RunRecord
from harness.reports.drawing import Bound, Curve
from harness.verdict import Judgement

_MIB = 1024 * 1024
_MB = 1_000_000
_RATE_SECONDS = 1.0
_GAP_SECONDS = 2.5
"""Samples further apart than this are no line: the process was not there."""
_NANO = 1e9


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture over the run's time."""

    title: str
    unit: str
    says: str
    """What is to be seen, and the figures of it, for those who cannot see it."""
    curves: tuple[Curve, ...]
    bounds: tuple[Bound, ...] = ()


def charts(record: RunRecord, judgement: Judgement) -> list[Chart]:
    """Return the pictures of a run; one for which the record has nothing is left out."""
    drawn = (_age, _memory, _cpu, _arrivals, _waiting, _network)
    return [chart for draw in drawn if (chart := draw(record, judgement.checks)) is not None]


def _age(record: RunRecord, results: Sequence[CheckResult]) -> Chart | None:
    span = Span(min((phase.start for phase in record.phases), default=0.0), run_end(record))
    points = [(now, age) for now, age, _ in ages(record, (span,))] if updates(record) else []
    if not points:
        return None
    says = f"How old the newest value at the sink is; at most {_most(points):.2f} s."
    return Chart(
        "Age of information", "s", says, (Curve("age", "line", points),), _bounds(results, "age-of-information")
    )


def _memory(record: RunRecord, results: Sequence[CheckResult]) -> Chart | None:
    samples = [sample for sample in record.resources if sample.role == "bridge"]
    if not samples:
        return None
    rss = _broken((sample.t, sample.rss_bytes / _MIB) for sample in samples)
    peak = _broken((sample.t, sample.peak_rss_bytes / _MIB) for sample in samples)
    says = (
        f"Memory of the bridge's processes; at most {_most(rss):.1f} MiB sampled, {_most(peak):.1f} MiB at any moment."
    )
    bounds = (*_bounds(results, "rss-p95"), *_bounds(results, "rss-peak", factor=_MB / _MIB, of="peak "))
    return Chart("Memory (RSS)", "MiB", says, (Curve("peak", "thin", peak), Curve("RSS", "line", rss)), bounds)


def _cpu(record: RunRecord, results: Sequence[CheckResult]) -> Chart | None:
    samples = [(sample.t, sample.cpu_seconds) for sample in record.resources if sample.role == "bridge"]
    rates = _broken((t, 100 * rate) for t, rate in _rates(samples))
    if not rates:
        return None
    seconds = samples[-1][0] - samples[0][0]
    mean = 100 * (samples[-1][1] - samples[0][1]) / seconds if seconds > 0 else 0.0
    says = f"CPU time of the bridge's processes in windows of 1 s (the check's are of 10 s); {mean:.2f} % on the whole."
    return Chart("CPU", "% of one core", says, (Curve("CPU", "line", rates),), _bounds(results, "cpu-percent"))


def _arrivals(record: RunRecord, _: Sequence[CheckResult]) -> Chart | None:
    writes = [(write.t, float(write.sequence)) for write in record.ledger.writes]
    named = arrivals(record)
    arrived = [(arrival.t, float(arrival.write.sequence)) for arrival in named if arrival.write]
    refused = [(export.t, 0.0) for export in record.exports if not export.delivered]
    if not writes and not record.exports:
        return None
    says = (
        f"{len(writes)} writes of the job and the {len(arrived)} updates at the sink, each at the number of its write"
    )
    if strangers := len(named) - len(arrived):
        says += f"; {strangers} updates show what the job never wrote"
    if refused:
        says += f"; {len(refused)} calls that the sink did not take"
    curves = (
        Curve("writes of the job", "steps", writes),
        Curve("arrivals at the sink", "dots", arrived),
        Curve("calls not taken", "crosses", refused),
    )
    return Chart("Arrivals", "write number", says + ".", tuple(curve for curve in curves if curve.points))


def _waiting(record: RunRecord, _: Sequence[CheckResult]) -> Chart | None:
    """Count what was made and had not arrived yet, by the updates' own stamps: any bridge's queue shows in them."""
    seen = [(update.time_unix_nano / _NANO, update.t) for update in updates(record)]
    if not seen:
        return None
    quickest = min(arrived - made for made, arrived in seen)
    made_at = [(made + quickest, 1) for made, _ in seen]
    arrived_at = [(arrived, -1) for _, arrived in seen]
    points: list[tuple[float, float]] = []
    waiting = 0
    for t, change in sorted([*made_at, *arrived_at], key=lambda one: (one[0], -one[1])):  # made before it arrives
        waiting += change
        points.append((t, float(waiting)))
    if _most(points) <= 1:
        return None
    says = f"Updates that were made and had not arrived yet, by their own time stamps; at most {_most(points):.0f}."
    return Chart("Queue", "updates", says, (Curve("waiting", "steps", points),))


def _network(record: RunRecord, results: Sequence[CheckResult]) -> Chart | None:
    totals = [(sample.t, 8 * (sample.sent_bytes + sample.received_bytes) / 1000) for sample in record.wire]
    rates = _broken(_rates(totals))
    if not rates or not _most(rates):
        return None
    says = f"Both directions between bridge and collector in windows of 1 s; at most {_most(rates):.1f} kbit/s."
    return Chart(
        "Network", "kbit/s", says, (Curve("bytes", "line", rates),), _bounds(results, "network-rate", factor=1000)
    )


def _bounds(results: Sequence[CheckResult], check: str, *, factor: float = 1.0, of: str = "") -> tuple[Bound, ...]:
    """Return the limit and our own target of a check, the strictest where it is asked for more than once."""
    mine = [result for result in results if result.check == check]
    stated: tuple[tuple[str, Callable[[CheckResult], float | None]], ...] = (
        ("limit", lambda result: result.limit),
        ("target", lambda result: result.target),
    )
    found = []
    for kind, read in stated:
        values = [value for result in mine if (value := read(result)) is not None]
        found += [Bound(f"{of}{kind}", kind, round(min(values) * factor, 2))] if values else []
    return tuple(found)


def _rates(totals: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """Return growth a second over windows of about a second, at each window's end."""
    begin = totals[0] if totals else (0.0, 0.0)
    for now in totals:
        if now[0] - begin[0] >= _RATE_SECONDS:
            yield now[0], max(0.0, (now[1] - begin[1]) / (now[0] - begin[0]))
            begin = now


def _broken(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Break the line where samples are missing."""
    found: list[tuple[float, float]] = []
    for t, value in points:
        if found and t - found[-1][0] > _GAP_SECONDS:
            found.append((t, math.nan))
        found.append((t, value))
    return found


def _most(points: Iterable[tuple[float, float]]) -> float:
    return max((value for _, value in points if math.isfinite(value)), default=0.0)

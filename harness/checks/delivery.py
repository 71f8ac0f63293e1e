"""The metrics file is a register: what arrives must be what was written, in order, the last write included."""

from __future__ import annotations

from harness.checks.arrivals import LOSS, Arrival, arrivals, differences, strays
from harness.checks.contract import Check, Measure, interval_seconds, keeps_the_collector_away
from harness.checks.spans import Span, faults_held, inside, judged, phase_start, process_events, run_end
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec

_INTERVALS_VISIBLE = 1.5
"""A write that stood for so many intervals was there at a reading: one interval, and room for jitter."""
_LATE_SECONDS = 0.25
"""A reading may be so late: the aim for latency in `harness/promises.yaml` is an interval, however short, and this."""
_BRIDGE_GONE = "bridge-killed"
_STARTS_OF_LEEWAY, _LEEWAY_SECONDS_MIN = 5, 1.5
"""A bridge that comes back while the collector is away shows it by nothing: so many times what its first start took."""
_HARMLESS_TO_FILE = (
    "collector-",
    "network-",
    "job-paused",
    "job-hangs",
    "job-spoils-fields",
    "job-backdates-writes",
    "job-second-writer",
    "bridge-disk-full",
)
"""Names of faults begin so where a reader of the metrics file sees all that the job writes."""


def register_model(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count what a last-value register never shows: a value never written, an older one after a newer, not the last."""
    arrived = arrivals(record)
    if not arrived or not record.ledger.writes:
        return Measure(
            None, 0, "no update reached the sink" if record.ledger.writes else "the job's ledger has no write"
        )
    wrong = _never_written(arrived) + _backward(arrived)
    last = record.ledger.writes[-1]
    if not _shows(arrived[-1], last):
        seen = arrived[-1].write
        found = f"write {seen.sequence}" if seen else "a value never written"
        wrong.append((arrived[-1].t, f"the last update shows {found}, but the job's last write was {last.sequence}"))
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), len(arrived), evidence, at, broken=True)
    return Measure(
        0.0, len(arrived), f"{len(arrived)} updates are an ordered part of {len(record.ledger.writes)} writes"
    )


def _never_written(arrived: list[Arrival]) -> list[tuple[float, str]]:
    return [
        (a.t, f"the update at {a.t:.1f} s shows a loss of {a.update.gauges[LOSS]!r}, which was never written")
        for a in arrived
        if a.write is None
    ]


def _backward(arrived: list[Arrival]) -> list[tuple[float, str]]:
    wrong: list[tuple[float, str]] = []
    newest: Write | None = None
    for arrival in arrived:
        write = arrival.write
        if write is None:
            continue
        if newest is not None and write.sequence < newest.sequence:
            wrong.append((arrival.t, f"at {arrival.t:.1f} s came write {write.sequence} after write {newest.sequence}"))
        else:
            newest = write
    return wrong


def _shows(arrival: Arrival, write: Write) -> bool:
    """By value: where two writes are alike it does not matter which one an update is named after."""
    return not differences(arrival.update, write) or (
        arrival.write is not None and arrival.write.sequence == write.sequence
    )


def visible_seconds(record: RunRecord) -> float:
    """Return how long a write must stand until no reading in time can miss it."""
    interval = interval_seconds(record)
    return max(_INTERVALS_VISIBLE * interval, interval + _LATE_SECONDS)


def every_write_delivered(record: RunRecord, spec: CheckSpec) -> Measure:
    """Count the lost ones of those writes that a reading once an interval cannot miss, from the end of start-up on.

    ``during``: only of the writes that were made in these phases, and soon enough to be read in them; empty: of all.
    """
    due = unmissable(record)
    if spec.during:
        spans = judged(record, spec)
        read_by = visible_seconds(record)
        due = [write for write in due if inside(spans, write.t) and inside(spans, write.t + read_by)]
    if not due:
        return Measure(None, 0, "no write stood long enough to be read for certain")
    shown = delivered(record)
    lost = [write for write in due if write.sequence not in shown]
    if lost:
        evidence = (
            f"{len(lost)} of {len(due)} writes never reached the sink, the first of them write {lost[0].sequence}"
        )
        return Measure(float(len(lost)), len(due), f"{evidence}, at {lost[0].t:.1f} s", lost[0].t, broken=True)
    return Measure(0.0, len(due), f"all {len(due)} writes that a reading once an interval cannot miss arrived")


def delivered(record: RunRecord) -> set[int]:
    """Return the sequence numbers of the writes that reached the sink."""
    return _with_equals(record, {arrival.write.sequence for arrival in arrivals(record) if arrival.write is not None})


def _with_equals(record: RunRecord, shown: set[int]) -> set[int]:
    """Add the neighbours that wrote the very same values: one delivery shows them all."""
    found = set(shown)
    for before, after in zip(record.ledger.writes, record.ledger.writes[1:], strict=False):
        if before.sequence in found and before.values == after.values:
            found.add(after.sequence)
    return found


def unmissable(record: RunRecord) -> list[Write]:
    """Return the writes that stood undisturbed for `visible_seconds` after start-up, and the job's last one."""
    needed = visible_seconds(record)
    begin = phase_start(record, "warm-up") or 0.0
    writes = record.ledger.writes
    hidden = hidden_spans(record)
    found: list[Write] = []
    for index, write in enumerate(writes):
        is_last = index == len(writes) - 1
        end = run_end(record) if is_last else writes[index + 1].t
        start = max(write.t, begin)
        for span in hidden:
            if span.start <= end and span.end >= start:
                end = min(end, max(span.start, start))
        if end - start >= needed or (is_last and record.ledger.ended is not None and not hidden_at(hidden, write.t)):
            found.append(write)
    return found


def hidden_at(hidden: list[Span], t: float) -> bool:
    """Whether a fault kept readers from the file at a moment."""
    return any(span.holds(t) for span in hidden)


def hidden_spans(record: RunRecord) -> list[Span]:
    """Stretches in which a fault kept readers from what the job wrote."""
    spans: list[Span] = []
    began: dict[str, float] = {}
    for event in record.events:
        name = str(event.data.get("fault", ""))
        if event.kind != "fault" or name.startswith(_HARMLESS_TO_FILE):
            continue
        key = f"{event.data.get('step')}/{name}"
        if event.data.get("action") == "inject":
            began.setdefault(key, event.t)
        elif event.data.get("action") == "heal" and key in began:
            spans.append(Span(began.pop(key), _read_again(record, name, event.t)))
    return spans + [Span(start, run_end(record)) for start in began.values()]


def _read_again(record: RunRecord, fault: str, healed: float) -> float:
    """Return from when on the file was read again: a bridge that was started anew needs time to come up."""
    if fault != _BRIDGE_GONE:
        return healed
    shown = min((export.t for export in record.exports if export.delivered and export.t >= healed), default=healed)
    if not _collector_is_away(record, healed):
        return shown
    start, ready = (
        next((one.t for one in process_events(record, "bridge", what)), 0.0) for what in ("started", "ready")
    )
    return min(shown, healed + max(_LEEWAY_SECONDS_MIN, _STARTS_OF_LEEWAY * (ready - start)))


def _collector_is_away(record: RunRecord, t: float) -> bool:
    held = [names for event, names in faults_held(record) if event.t <= t]
    return bool(held) and any(keeps_the_collector_away(name) for _, name in held[-1])


def values_match(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count the gauges at the sink that are not those of the write which the update shows."""
    compared = 0
    wrong: list[tuple[float, str]] = []
    for arrival in arrivals(record):
        if arrival.write is None:
            continue
        found = differences(arrival.update, arrival.write)
        compared += len(arrival.update.gauges)
        wrong += [
            (
                arrival.t,
                f"at {arrival.t:.1f} s {metric} is {_shown(seen)}, in write {arrival.write.sequence} {_shown(written)}",
            )
            for metric, seen, written in found
        ]
    for update in strays(record):
        shown = ", ".join(f"{metric} is {_shown(value)}" for metric, value in update.gauges.items())
        wrong.append((update.t, f"at {update.t:.1f} s {shown}, which came alone and stands in no write"))
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), compared, evidence, at, broken=True)
    return Measure(0.0 if compared else None, compared, f"{compared} values at the sink are those of the ledger")


def _shown(value: float | None) -> str:
    return "no value" if value is None else repr(value)


def last_write_delivered(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Whether the job's last write reached the sink: it matters most."""
    ledger = record.ledger
    if not ledger.writes:
        return Measure(None, 0, "the job's ledger has no write")
    if ledger.ended is None:
        return Measure(None, 0, "the job never said its end, so its last write is not known")
    last = ledger.writes[-1]
    arrived = arrivals(record)
    first = next((a for a in arrived if a.t >= last.t - 1.0 and _shows(a, last)), None)
    if first is not None:
        evidence = f"the last write, {last.sequence}, arrived {max(0.0, first.t - last.t):.2f} s after it was written"
        return Measure(0.0, 1, evidence, first.t)
    if not arrived:
        return Measure(None, 0, "no update reached the sink")
    newest = next((a.write.sequence for a in reversed(arrived) if a.write is not None), None)
    evidence = (
        f"the last write, {last.sequence} at {last.t:.1f} s, never reached the sink; the newest there is {newest}"
    )
    return Measure(1.0, 1, evidence, last.t, broken=True)


CHECKS = (
    Check(
        "register-model",
        "updates are an ordered part of the writes, nothing never written, the last one seen",
        "wrong deliveries",
        register_model,
        samples_min=3,
    ),
    Check(
        "every-write-delivered",
        "writes that stood long enough to be read, and never reached the sink",
        "lost writes",
        every_write_delivered,
        samples_min=3,
        whole_run=False,
    ),
    Check(
        "values-match",
        "gauges at the sink that differ from the write they show, or that came alone and stand in no write",
        "wrong values",
        values_match,
        samples_min=5,
    ),
    Check(
        "last-write-delivered",
        "whether the job's last write was lost",
        "lost writes",
        last_write_delivered,
        samples_min=1,
    ),
)

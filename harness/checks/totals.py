"""Totals at the sink: they only grow, by no more than the job did, and each new reading is counted once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from harness.checks.arrivals import COUNTERS, HISTOGRAMS
from harness.checks.contract import Check, Measure
from harness.checks.steps import Step, steps_of_each_job
from harness.record import RunRecord, Write
from harness.scenario import CheckSpec

SUM_TOLERANCE = 1e-6  # of the sum: a double adds up rounding errors

Wrong = tuple[float, str]


def counters_match(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count totals that fall without a new start, exceed what the job did, or leave out what was seen to be done."""
    done = Done(record)
    compared, wrong = 0, list[Wrong]()
    for metric, name in COUNTERS.items():
        for steps in steps_of_each_job(record, metric):
            compared += len(steps)
            wrong += _wrong_totals(metric, name, steps, done)
    return _measure(wrong, compared, "totals are what the job did, as far as it was seen")


class Done:
    """What the job had really done at each of its writes: all processes of that job together."""

    def __init__(self, record: RunRecord) -> None:
        self._batches = int(record.scenario["job"]["batches_per_epoch"])
        self._by_write: list[dict[str, float]] = []
        reached: dict[int, tuple[float, float]] = {}
        totals: dict[tuple[str, str], float] = defaultdict(float)
        furthest: dict[tuple[int, str], float] = defaultdict(float)
        for write in record.ledger.writes:
            epoch, batch = reached[write.process] = _reached(write, *reached.get(write.process, (1.0, 0.0)))
            for name, position in (("epoch", epoch), ("batch_number", (epoch - 1) * self._batches + batch)):
                further = max(0.0, position - furthest[write.process, name])
                furthest[write.process, name] += further
                totals[write.job_id, name] += further
            self._by_write.append({name: totals[write.job_id, name] for name in COUNTERS.values()})

    def by(self, index: int, name: str) -> float:
        """Return the true total at a write."""
        return self._by_write[index][name]


def _reached(write: Write, epoch: float, batch: float) -> tuple[float, float]:
    """Epoch and batch number at a write, after those of the write before; a spoiled one is told by the other."""
    now = write.values.get("batch_number", batch)
    return float(write.values.get("epoch", epoch + (now < batch))), float(now)


def _wrong_totals(metric: str, name: str, steps: Sequence[Step], done: Done) -> Iterator[Wrong]:
    counted = 0.0
    before: Step | None = None
    for step in steps:
        fell = before is not None and step.total < before.total
        if before is not None and fell and step.same_start(before):
            yield _at(step, f"{metric} fell from {before.total:g} to {step.total:g} without a new start")
        grown = step.total if before is None or fell else step.total - before.total
        counted += grown
        least = certain_between(before, step, name)
        true = done.by(step.newest_index, name)
        if counted > true:
            yield _at(step, f"{metric} has counted {counted:g} where the job had done {true:g}")
        elif grown < least:
            yield _at(step, f"{metric} grew by {grown:g} where {least:g} were seen to be done")
        before = step


def certain_between(before: Step | None, step: Step, name: str) -> float:
    """How much was certainly done from what a delivery may have held at most to what the next one holds at least."""
    if before is None or step.index < before.newest_index:
        return 0.0
    return certain(before.newest, step.write, name)


def certain(before: Write, now: Write, name: str) -> float:
    """How much was certainly done between two writes that were both read."""
    old, new = before.values.get(name), now.values.get(name)
    epochs = before.values.get("epoch"), now.values.get("epoch")
    if before.process != now.process or None in {old, new, *epochs}:
        return 0.0
    assert old is not None  # noqa: S101 - seen in the line above; for the type checker
    assert new is not None  # noqa: S101 - as above
    return float(new - old if new >= old else new)


def histograms_match(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Count ticks at which a histogram did not grow by exactly the readings that were new."""
    compared, wrong = 0, list[Wrong]()
    for metric, name in HISTOGRAMS.items():
        for steps in steps_of_each_job(record, metric):
            compared += max(0, len(steps) - 1)
            wrong += _wrong_counts(metric, name, steps, record.ledger.writes)
    return _measure(wrong, compared, "steps of histograms count each new reading once")


def _wrong_counts(metric: str, name: str, steps: Sequence[Step], writes: Sequence[Write]) -> Iterator[Wrong]:
    for before, step in pairwise(steps):
        old, new = before.point.count or 0, step.point.count or 0
        if new < old:
            if step.same_start(before):
                yield _at(step, f"{metric} fell from {old} to {new} values without a new start")
            continue
        if not step.same_start(before) or step.newest_index < before.index:
            continue
        passed = [
            write.values[name]
            for write in writes[before.index + 1 : step.newest_index + 1]
            if name in write.values and write.job_id == step.write.job_id
        ]
        least = 1 if step.index > before.newest_index and name in step.write.values else 0
        if not least <= new - old <= len(passed):
            expected = f"{least}" if least == len(passed) else f"{least} to {len(passed)}"
            yield _at(step, f"{metric} took {new - old} values where {expected} were new")
        elif new - old == 1 and not _is_one_of(step.total - before.total, passed, scale=step.total):
            yield _at(step, f"{metric} took {step.total - before.total:g}, which no new write has")


def _is_one_of(added: float, values: Iterable[float], *, scale: float) -> bool:
    return any(abs(added - value) <= SUM_TOLERANCE * max(1.0, abs(scale)) for value in values)


def _at(step: Step, what: str) -> Wrong:
    return step.t, f"at {step.t:.1f} s, with write {step.write.sequence}, {what}"


def _measure(wrong: Sequence[Wrong], compared: int, good: str) -> Measure:
    if wrong:
        at, evidence = min(wrong)
        return Measure(float(len(wrong)), compared, evidence, at, broken=True)
    return Measure(0.0 if compared else None, compared, f"{compared} {good}")


CHECKS = (
    Check(
        "counters-match",
        "totals that fall, exceed what the job did, or leave out what was seen",
        "wrong values",
        counters_match,
        samples_min=5,
    ),
    Check(
        "histograms-match",
        "steps of a histogram that are not the readings which were new",
        "wrong values",
        histograms_match,
        samples_min=5,
    ),
)

"""Counters made of the numbers that a job writes: totals that only grow, whatever the job does. No I/O, no SDK.

`docs/metrics.md` has the rules as a table. Where the truth cannot be known, the total is a lower bound: what is counted
was certainly there, so that Prometheus' ``increase()`` does not invent any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bridge.mapping import MetricRule

FIRST_EPOCH = 1
"""In the first epoch (1 by contract; 0 for those who count from there) a number that restarts each epoch is a total."""
STARTS_MAX = 64
"""So many starts are remembered beside the present one: of processes that write one file by turns, and what they wrote
last. One that was forgotten adds nothing when it is back."""
TOTAL_MAX = 2**63 - 1
"""OTLP's integers end here, and one step more would make the whole request impossible to encode."""


class Step(NamedTuple):
    """What one reading adds to one counter.

    Attributes:
        added: how much, 0 or more.
        whole: whether the total holds all since the job's beginning; asked for at the first step only.
    """

    added: int
    whole: bool


class _Seen:
    """One number as it was last read.

    Attributes:
        restarts: whether it was seen to start over with a new epoch: until then it may be one that runs on through all.
    """

    __slots__ = ("epoch", "restarts", "value")

    def __init__(self, value: int, epoch: int | None, *, restarts: bool) -> None:
        self.value = value
        self.epoch = epoch
        self.restarts = restarts

    def copy(self) -> _Seen:
        return _Seen(self.value, self.epoch, restarts=self.restarts)


class Counting:
    """The counters of one job since the bridge first saw it."""

    def __init__(self, rules: Sequence[MetricRule]) -> None:
        self._rules = tuple(rule for rule in rules if rule.kind == "counter")
        self._seen: dict[str, _Seen] = {}
        self._totals: dict[str, int] = {}
        self._started_at: int | None = None
        self._newest_start: int | None = None
        self._other_starts: dict[int, dict[str, _Seen]] = {}

    def steps(self, values: Mapping[str, float], *, appeared: bool, started_at: int | None = None) -> dict[str, Step]:
        """What a new reading adds, by metric name; a counter that the reading does not speak of is not in it.

        Args:
            values: the snapshot's values, all metrics.
            appeared: the file was not there when the bridge began to look, so that all that the first reading says
                happened since. Looked at for the first reading only.
            started_at: when the job says that it began; a later time than any before means that it began again. A time
                that was there before means that processes of the job write by turns, and each goes on where it was. So
                does any other: it may be one that was forgotten, or a process that was not seen yet, and then what it
                did before is not counted.
        """
        again = self._begins_again(started_at)
        steps: dict[str, Step] = {}
        for rule in self._rules:
            if rule.name not in values:
                continue
            value = int(values[rule.name])
            parent = None if rule.restarts_with is None else values.get(rule.restarts_with)
            epoch = None if parent is None else int(parent)
            seen = self._seen.get(rule.name)
            if seen is None and rule.name in self._totals:
                steps[rule.name] = Step(0, whole=False)
                self._seen[rule.name] = _Seen(value, epoch, restarts=False)
                continue
            if seen is None:
                steps[rule.name] = step = _first(rule, value, epoch, appeared=appeared)
                self._seen[rule.name] = _Seen(value, epoch, restarts=False)
                self._totals[rule.name] = step.added
                continue
            total = self._totals[rule.name]
            added = min(_later(rule, seen, value, epoch, again=again), TOTAL_MAX - total)
            steps[rule.name] = Step(added, whole=False)
            seen.value, seen.epoch, self._totals[rule.name] = value, epoch, total + added
        return steps

    def _begins_again(self, started_at: int | None) -> bool:
        """Whether this is a start later than all before; what was seen is now that of this start."""
        before, newest = self._started_at, self._newest_start
        if started_at is None or started_at == before:
            return False
        self._started_at = started_at
        again = newest is None or started_at > newest
        if again:
            self._newest_start = started_at
        if before is None:
            return False
        self._other_starts[before] = self._seen
        known = self._other_starts.pop(started_at, None)
        if known is not None:
            self._seen = known
        else:
            self._seen = {name: seen.copy() for name, seen in self._seen.items()} if again else {}
        while len(self._other_starts) > STARTS_MAX:
            del self._other_starts[next(iter(self._other_starts))]
        return again


def _first(rule: MetricRule, value: int, epoch: int | None, *, appeared: bool) -> Step:
    # A bridge before this one may have counted the file's number already. A number that never restarts stays right when
    # it is taken as the total again; one that restarts each epoch does so in the first epoch only.
    whole = rule.restarts_with is None or appeared or (epoch is not None and epoch <= FIRST_EPOCH)
    return Step(value if whole else 0, whole)


def _later(rule: MetricRule, seen: _Seen, value: int, epoch: int | None, *, again: bool) -> int:
    # A job that began again and is in its first epoch did so from scratch; later, a checkpoint's numbers say nothing.
    first_epoch = value if rule.restarts_with is None else epoch
    if again and first_epoch is not None and first_epoch <= FIRST_EPOCH:
        return value
    if rule.restarts_with is None:
        if value >= seen.value:
            return value - seen.value
        # The job began again: from scratch, so that this much is new, or from a checkpoint, so that nothing is sure.
        return value if value <= FIRST_EPOCH else 0
    if epoch is not None and seen.epoch is not None and epoch != seen.epoch:
        if epoch < seen.epoch:
            return value if epoch <= FIRST_EPOCH else 0
        restarts = seen.restarts or value < seen.value
        if not again:  # else the two numbers are of two processes, and one may be slower than the other
            seen.restarts = restarts
        # What the old epoch still had, and epochs that passed between two readings, nobody saw.
        return value if restarts else value - seen.value
    return max(value - seen.value, 0)

"""Random faults from one seed over a long time; a schedule that fails is reduced to the fewest faults that still fail.

The schedule is a scenario like any other, written as a file before it runs, so that a soak is repeated by its seed or
by its file. Liveness is judged after every fault, as the checks do it in any scenario.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.checks import Verdict
from harness.loading import parse
from harness.scenario import Scenario
from harness.verdict import Judgement

Step = Mapping[str, Any]
"""One step of a timeline, as a scenario file has it."""

REDUCTIONS_MAX = 12
"""Runs that a reduction may take. Each is at most as long as the failing one, most are a tenth of it."""
_VERIFY_SECONDS = 1.5
"""What inject, the two verifications and heal take of a step beside its hold, about."""


@dataclass(frozen=True, slots=True)
class Dish:
    """One line of the menu: a fault, how often it is taken, and for how long it holds and is recovered from."""

    fault: str
    weight: int
    holds_seconds: tuple[float, float]
    recovery_seconds: float
    with_: Mapping[str, Any] = field(default_factory=dict)


MENU = (
    Dish("file-missing", 3, (2, 8), 5),
    Dish("file-malformed", 3, (2, 8), 5, {"content": "truncated"}),
    Dish("file-malformed", 2, (2, 8), 5, {"content": "not-json"}),
    Dish("file-malformed", 1, (2, 8), 5, {"content": "empty"}),
    Dish("job-torn-writes", 2, (5, 8), 5, {"hold": "400ms"}),
    Dish("collector-refused", 4, (2, 20), 8),
    Dish("collector-silent", 3, (2, 20), 14),
    Dish("collector-killed", 2, (2, 10), 8),
)
"""What every rig can do. A dish is one fault at a time: what overlapped could not be told apart afterwards."""

_CHECKS = (
    ("alive", "survives-bad-input"),
    ("register-model", "survives-bad-input"),
    ("values-match", "survives-bad-input"),
    ("metrics-exact", "collector-outage"),
    ("series-count", "soak"),
    ("fds-max", "soak"),
    ("threads-max", "soak"),
    ("every-write-delivered", "collector-outage"),
    ("rss-peak", "memory-peak"),
    ("exit-clean", "shutdown"),
    ("last-write-delivered", "shutdown"),
)

_AFTER_FAULTS = (("values-after-fault", "survives-bad-input"),)
"""Only where there is a fault."""


def steps(seed: int, seconds: float) -> list[Step]:
    """Return the faults that fit into so long, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a schedule is no secret
    chosen: list[Step] = []
    taken_seconds = 0.0
    while taken_seconds < seconds:
        dish = chance.choices(MENU, [one.weight for one in MENU])[0]
        holds_seconds = round(chance.uniform(*dish.holds_seconds), 1)
        step: dict[str, Any] = {"name": f"fault-{len(chosen) + 1}", "fault": dish.fault, "for": f"{holds_seconds:g}s"}
        step["recovery"] = f"{dish.recovery_seconds:g}s"
        if dish.with_:
            step["with"] = dict(dish.with_)
        chosen.append(step)
        taken_seconds += holds_seconds + dish.recovery_seconds + _VERIFY_SECONDS
    return chosen


def document(timeline: Sequence[Step], *, name: str, what: str) -> str:
    """Return a scenario file with these faults."""
    checks = [*_CHECKS, *(_AFTER_FAULTS if timeline else ())]
    content = {
        "name": name,
        "what": what,
        "why": "Faults that a bridge survives one by one may break it one after the other.",
        "tags": ["soak"],
        "profile": "soak",
        "job": {"write_period": "2s"},
        "bridge": {"interval": "1s"},
        "timeline": [{"steady": "10s"}, *map(dict, timeline)],
        "checks": [{"check": check, "promise": promise} for check, promise in checks],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def scenario(text: str, *, name: str) -> Scenario:
    """Return what a file of `document` means."""
    return parse(text, name=name)[0]


@dataclass(frozen=True, slots=True)
class Reduced:
    """The fewest faults that were seen to fail in the same way."""

    timeline: tuple[Step, ...]
    runs: int
    """How many runs it took to find them."""
    smallest: bool
    """None of them can be left out; False: the runs ended before that was known."""


def reduce(
    timeline: Sequence[Step], fails: Callable[[Sequence[Step]], bool], *, suspects: Sequence[Step] = (), runs_max: int
) -> Reduced:
    """Leave out faults as long as what is left still fails: all but one suspect, then halves, then single ones.

    Args:
        timeline: faults that fail together.
        fails: runs a timeline and says whether it fails in the same way.
        suspects: each tried alone before anything else.
        runs_max: how often ``fails`` may be called.
    """
    kept = list(timeline)
    runs = 0

    def still_fails(candidate: Sequence[Step]) -> bool:
        nonlocal runs
        runs += 1
        return fails(candidate)

    for suspect in suspects:
        if len(kept) > 1 and runs < runs_max and still_fails([suspect]):
            kept = [suspect]
    size = (len(kept) + 1) // 2
    while len(kept) > 1 and runs < runs_max:
        for start in range(0, len(kept), size):
            candidate = kept[:start] + kept[start + size :]
            if candidate and runs < runs_max and still_fails(candidate):
                kept = candidate
                break
        else:
            if size == 1:
                return Reduced(tuple(kept), runs, smallest=runs < runs_max)
            size = (size + 1) // 2
            continue
        size = min(size, (len(kept) + 1) // 2)
    if len(kept) == 1 and runs < runs_max and still_fails(()):
        kept = []  # it fails with nothing broken at all
    return Reduced(tuple(kept), runs, smallest=not kept or (len(kept) == 1 and runs < runs_max))


def failed_checks(judgement: Judgement) -> frozenset[str]:
    """Return the checks that a run failed; two runs that share one fail in the same way."""
    return frozenset(result.check for result in judgement.checks if result.verdict is Verdict.FAIL)


def suspects(timeline: Sequence[Step], judgement: Judgement, starts: Mapping[str, float]) -> list[Step]:
    """Return the fault that had begun last when the first failed check saw its worst, and the one after it.

    The one after, because what a check calls its worst may be a write that was made just before the fault that lost it.

    Args:
        timeline: the faults, in order.
        judgement: of the failed run.
        starts: when each step began, by its name, in seconds since the run's origin.
    """
    moments = [
        result.at_seconds
        for result in judgement.checks
        if result.verdict is Verdict.FAIL and result.at_seconds is not None
    ]
    if not moments:
        return []
    begun = sum(starts.get(step["name"], float("inf")) <= min(moments) for step in timeline)
    return list(timeline[max(0, begun - 1) : begun + 1])


def write(folder: Path, name: str, text: str) -> Path:
    """Write a scenario file and return its path.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path

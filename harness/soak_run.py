"""The verb `soak`: one long run of random faults, and where it fails the search for the fewest that still do."""

from __future__ import annotations

import datetime as dt
import shlex
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import soak
from harness.batch import Plan
from harness.checks import Verdict
from harness.record import RecordError
from harness.record_folder import load as load_record
from harness.scenario import RigName
from harness.verdict import Judgement

MINUTES_MAX = 7 * 24 * 60
"""A week: the schedule of a soak is made and written before it begins."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    seed: int
    minutes: float
    rig: RigName
    bridge_command: tuple[str, ...]
    out: Path
    reductions_max: int = soak.REDUCTIONS_MAX

    @property
    def name(self) -> str:
        """What the schedule is called."""
        return f"soak-{self.seed}"

    @property
    def repeat_command(self) -> str:
        """What repeats it."""
        words = ["python", "-m", "harness", "soak", "--seed", str(self.seed), "--minutes", repr(self.minutes)]
        return shlex.join([*words, "--rig", self.rig, "--bridge", shlex.join(self.bridge_command)])


class Soak:
    """Runs an order.

    Args:
        order: what is asked for.
        carry_out: makes one run and returns its verdict; None: it was interrupted before there was one.
        interrupt: set when it is to end early.
        say: takes lines for people.
    """

    def __init__(
        self,
        order: Order,
        *,
        carry_out: Callable[[Plan], Judgement | None],
        interrupt: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        self._order = order
        self._make_run = carry_out
        self._interrupt = interrupt
        self._say = say
        self._folder = order.out / f"{order.name}-{dt.datetime.now().astimezone():%Y%m%dT%H%M%S}"
        self._runs = 0

    def run(self) -> Judgement | None:
        """Run the schedule, reduce it where it fails, return its verdict; None: interrupted before there was one.

        Raises:
            OSError: the schedule cannot be written.
        """
        order = self._order
        timeline = soak.steps(order.seed, 60 * order.minutes)
        count = "1 fault" if len(timeline) == 1 else f"{len(timeline)} faults"
        self._say(f"{count} in about {order.minutes:g} min; repeat it with:\n  {order.repeat_command}")
        judgement = self._carry_out(timeline, order.name, "Random faults one after the other, from one seed.")
        if judgement is not None and judgement.verdict is Verdict.FAIL and not self._interrupt.is_set():
            self._reduce(timeline, judgement)
        return judgement

    def _carry_out(self, timeline: Sequence[soak.Step], name: str, what: str) -> Judgement | None:
        text = soak.document(timeline, name=name, what=what)
        soak.write(self._folder, f"{name}-{self._runs}" if self._runs else name, text)
        plan = Plan(
            soak.scenario(text, name=f"{name}.yaml"),
            self._order.rig,
            self._folder / f"run-{self._runs}",
            self._order.seed,
        )
        self._runs += 1
        return self._make_run(plan)

    def _reduce(self, timeline: Sequence[soak.Step], judgement: Judgement) -> None:
        broken = soak.failed_checks(judgement)
        what = f"The fewest faults of soak seed {self._order.seed} that break {', '.join(sorted(broken))}."

        def fails(candidate: Sequence[soak.Step]) -> bool:
            if self._interrupt.is_set():
                return False
            again = self._carry_out(candidate, self._order.name, what)
            return again is not None and bool(soak.failed_checks(again) & broken)

        self._say(f"it failed ({', '.join(sorted(broken))}): looking for the fewest faults that still do")
        suspects = soak.suspects(timeline, judgement, self._starts())
        reduced = soak.reduce(timeline, fails, suspects=suspects, runs_max=self._order.reductions_max)
        name = f"{self._order.name}-reduced"
        path = soak.write(self._order.out, name, soak.document(reduced.timeline, name=name, what=what))
        certain = "none of them can be left out" if reduced.smallest else "perhaps fewer would do"
        self._say(
            f"{len(reduced.timeline)} of {len(timeline)} faults still fail after {reduced.runs} runs, {certain}: "
            f"python -m harness run {path}"
        )

    def _starts(self) -> dict[str, float]:
        """When each step of the first run began; nothing where its record cannot be read."""
        try:
            return {phase.name: phase.start for phase in load_record(self._folder / "run-0").phases}
        except RecordError:
            return {}

"""The verb `soak`, with a bridge that certain faults break, played."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import soak
from harness.batch import Plan
from harness.checks import CheckResult, Verdict
from harness.loading import load
from harness.scenario import FaultStep
from harness.soak_run import Order, Soak
from harness.verdict import Judgement


def faults(plan: Plan) -> list[str]:
    return [step.fault for step in plan.scenario.timeline if isinstance(step, FaultStep)]


@dataclass
class Played:
    """A bridge that fails where the given fault is among those of a run."""

    breaks: str = "nothing"
    plans: list[Plan] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def carry_out(self, plan: Plan) -> Judgement | None:
        self.plans.append(plan)
        verdict = Verdict.FAIL if self.breaks in faults(plan) else Verdict.PASS
        result = CheckResult("alive", "p", verdict, 1.0, "exits", 0.0, 0.0, 1, 1, "It ended.")
        return Judgement(plan.scenario.name, plan.rig, verdict, "It ended.", checks=(result,))


Make = Callable[..., tuple[Soak, Played]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_it(
        breaks: str = "nothing", seed: int = 3, interrupt: threading.Event | None = None
    ) -> tuple[Soak, Played]:
        played = Played(breaks)
        order = Order(seed, 2.0, "embedded", ("a bridge", "--loud"), tmp_path)
        event = interrupt or threading.Event()
        return Soak(order, carry_out=played.carry_out, interrupt=event, say=played.said.append), played

    return make_it


def test_a_soak_that_passes_is_one_run_and_says_how_to_repeat_it(make: Make, tmp_path: Path):
    long_run, played = make()
    judgement = long_run.run()
    assert judgement is not None
    assert judgement.verdict is Verdict.PASS
    assert len(played.plans) == 1
    assert "--seed 3 --minutes 2.0 --rig embedded --bridge ''\"'\"'a bridge'\"'\"' --loud'" in played.said[0]
    (written,) = tmp_path.glob("soak-3-*/soak-3.yaml")
    assert load(written) == (played.plans[0].scenario,)


def test_a_soak_that_fails_leaves_a_scenario_file_with_the_fewest_faults(make: Make, tmp_path: Path):
    long_run, played = make("collector-killed")
    first = [step["fault"] for step in soak.steps(3, 120)]
    assert first.count("collector-killed") >= 1 < len(first)
    judgement = long_run.run()
    assert judgement is not None
    assert judgement.verdict is Verdict.FAIL
    (scenario,) = load(tmp_path / "soak-3-reduced.yaml")
    assert [step.fault for step in scenario.timeline if isinstance(step, FaultStep)] == ["collector-killed"]
    assert "none of them can be left out" in played.said[-1]
    assert len(played.plans) <= 1 + soak.REDUCTIONS_MAX


def test_an_interrupted_soak_reduces_nothing(make: Make, tmp_path: Path):
    interrupt = threading.Event()
    interrupt.set()
    long_run, played = make("collector-killed", interrupt=interrupt)
    long_run.run()
    assert len(played.plans) == 1
    assert not (tmp_path / "soak-3-reduced.yaml").exists()

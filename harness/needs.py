"""What a scenario needs of a rig beyond a job, a bridge and a sink."""

from __future__ import annotations

from harness.checks import CHECKS
from harness.faults import FAULTS
from harness.scenario import FaultStep, Need, Scenario


def needs_of(scenario: Scenario) -> frozenset[Need]:
    """Return what its faults and checks need."""
    harms = [step.fault for step in scenario.timeline if isinstance(step, FaultStep)]
    harms += [step.inner.fault for step in scenario.timeline if isinstance(step, FaultStep) and step.inner]
    harms += [scenario.stop.under.fault] if scenario.stop.under else []
    needed = [FAULTS[name].needs for name in harms if name in FAULTS]
    needed += [CHECKS[spec.check].needs for spec in scenario.checks if spec.check in CHECKS]
    return frozenset[Need]().union(*needed)

"""What a scenario needs of a rig beyond a job, a bridge and a sink."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks import CHECKS
from harness.faults import FAULTS
from harness.scenario import RUN_FOLDER, FaultStep, Need, Scenario


def needs_of(scenario: Scenario) -> frozenset[Need]:
    """Return what its faults, its checks and its bridge's limits need."""
    harms = [step.fault for step in scenario.timeline if isinstance(step, FaultStep)]
    harms += [step.inner.fault for step in scenario.timeline if isinstance(step, FaultStep) and step.inner]
    harms += [scenario.stop.under.fault] if scenario.stop.under else []
    needed = list(_of_the_way_it_goes(scenario))
    needed += [FAULTS[name].needs for name in harms if name in FAULTS]
    needed += [CHECKS[spec.check].needs for spec in scenario.checks if spec.check in CHECKS]
    needed += [frozenset[Need]({"memory-limit"})] if scenario.bridge.memory_limit is not None else []
    return frozenset[Need]().union(*needed)


def _of_the_way_it_goes(scenario: Scenario) -> Iterator[frozenset[Need]]:
    """What a cluster decides by itself: who starts first, and with which signal and when the bridge is told to end."""
    if scenario.start.job_after or scenario.stop.signal != "TERM" or scenario.stop.at in {"mid-write", "starting"}:
        yield frozenset({"own-processes"})
    if scenario.stop.at == "deletion":
        yield frozenset({"cluster"})
    in_run_folder = any(RUN_FOLDER in value for value in scenario.bridge.env.values())
    if scenario.start.without_folder or scenario.bridge.obeys_permissions or in_run_folder:
        yield frozenset({"local-files"})

"""From a plan to the runner: on which rig, or why not."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence

from harness.batch import Plan
from harness.needs import needs_of
from harness.rigs import RIGS, Rig
from harness.runner import run_scenario
from harness.scenario import RigName, Scenario


class Starter:
    """Carries out plans on the rigs that there are.

    Args:
        rigs: by name; those of this version.
    """

    def __init__(self, rigs: Mapping[RigName, Rig] = RIGS) -> None:
        self._rigs = rigs

    def runs_on(self, scenario: Scenario) -> tuple[RigName, ...]:
        """Return the rigs that have what it needs, installed here or not."""
        able = {name for name, rig in self._rigs.items() if needs_of(scenario) <= rig.offers}
        return tuple(name for name in scenario.rigs if name in able)

    def why_not(self, scenario: Scenario, rig: RigName) -> str | None:
        """Return why a scenario cannot run on a rig, in a sentence; None: it can."""
        if rig not in scenario.rigs:
            return f"The scenario runs on {', '.join(scenario.rigs)} only: run it with --rig {scenario.rigs[0]}."
        if rig not in self._rigs:
            return f"The rig {rig} is not part of this version; there are: {', '.join(self._rigs)}."
        if missing := needs_of(scenario) - self._rigs[rig].offers:
            able = self.runs_on(scenario)
            where = f": run it with --rig {able[0]}" if able else ""
            return f"It needs {', '.join(sorted(missing))}, which the rig {rig} has not{where}."
        lacking = self._rigs[rig].lacking()
        return f"The rig {rig} lacks: {'; '.join(lacking)}." if lacking else None

    def bridge_command(self, rig: RigName) -> tuple[str, ...]:
        """Return the bridge under test where the user names none; empty where there is no such rig."""
        return self._rigs[rig].bridge_command if rig in self._rigs else ()

    def objection(self, rig: RigName, command: Sequence[str]) -> str | None:
        """Return why no run on this rig can have this bridge, with the mend; None: nothing is known against it."""
        return self._rigs[rig].objection(command) if rig in self._rigs else None

    def carry_out(
        self,
        plan: Plan,
        interrupt: threading.Event,
        progress: Callable[[str], None],
        *,
        bridge_command: Sequence[str],
        keep: bool,
    ) -> None:
        """Run one scenario and leave its record in the plan's folder; ``keep``: the metrics folder stays beside it.

        Raises:
            RecordError: no record can be written there.
        """
        run_scenario(
            plan.scenario,
            rig=self._rigs[plan.rig],
            bridge_command=bridge_command,
            run_dir=plan.run_dir,
            seed=plan.seed,
            interrupt=interrupt,
            progress=progress,
        )
        if not keep:
            for working in ("metrics", "volume", "bridge"):  # `volume`, `bridge`: what a container was given
                shutil.rmtree(plan.run_dir / working, ignore_errors=True)

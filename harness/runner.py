"""run_scenario(): a whole run, from the rig to the complete record. It judges nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.processes import ProcessError
from harness.record import RecordError
from harness.rigs import Rig, RigError
from harness.run import NotReadyError, Run
from harness.scenario import Scenario, SteadyStep
from harness.waiting import InterruptedRunError


def run_scenario(
    scenario: Scenario,
    *,
    rig: Rig,
    bridge_command: Sequence[str],
    run_dir: Path,
    seed: int,
    interrupt: threading.Event,
    progress: Callable[[str], None],
) -> None:
    """Run a scenario once and leave its record in a folder. Several may run side by side in threads.

    What goes wrong with the rig or the bridge is in the record: `harness.record.Meta.error` says why the run could not
    be carried out, `interrupted` that it was told to end.

    Args:
        scenario: what happens.
        rig: what it happens on.
        bridge_command: the bridge under test: a program and its arguments.
        run_dir: the folder for the record; it must not hold one.
        seed: for everything that is random.
        interrupt: when set, the run heals, stops everything that it started and ends, at any moment.
        progress: told what happens, in lines for people; may be called from any thread.

    Raises:
        RecordError: no record can be written to the folder.
    """
    run = Run(
        scenario,
        rig=rig,
        bridge_command=bridge_command,
        run_dir=run_dir,
        seed=seed,
        interrupt=interrupt,
        progress=progress,
    )
    error: str | None = "the run was abandoned"
    interrupted = False
    try:
        run.rig_up()
        run.start()
        if run.until_ready():
            run.hold("warm-up", "warm-up", scenario.warm_up)
            for name, step in run.named_steps():
                if isinstance(step, SteadyStep):
                    run.hold(name, "steady", step.steady)
                else:
                    run.break_and_heal(name, step)
            run.hold("settle", "steady", scenario.settle)
            run.until_the_job_ends_by_itself()
        run.drain()
        error = None
    except InterruptedRunError:
        error, interrupted = None, True
    except (RigError, ProcessError, NotReadyError, RecordError) as problem:
        error = str(problem)
    except Exception as problem:  # noqa: BLE001 - a defect of the harness must not end its neighbours' runs
        error = f"the harness has a defect, please report it: {type(problem).__name__}: {problem}"
    finally:
        run.clear_away(error=error, interrupted=interrupted)

"""The steps of one run, each of them one thing that `runner.py` names."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from harness import canary, moments, procfs, programs, provenance
from harness.faults import FaultError, Ground, Seen
from harness.harm import Harm
from harness.job_control import JobError
from harness.lives import ProcessLife
from harness.observers.members import Change
from harness.observers.resources import ResourceObserver, Watched
from harness.processes import Processes
from harness.recorder import Recorder
from harness.rigs import Rig, RigError, Setting, Standing
from harness.scenario import FaultStep, PhaseKind, Scenario, SteadyStep
from harness.started import Started
from harness.waiting import Patience, WaitedTooLongError

LATE_EXPORTS_SECONDS = 0.3
"""After the bridge's end: what it had handed to the kernel still passes the relay."""
JOB_FINISH_SECONDS = 10.0
"""From the order to finish to the job's end; a batch of real training may be under way."""
JOB_LATE_SECONDS = 30.0
"""A job that should end by itself may be so much later than its schedule."""
_LOOK_SECONDS = 0.25
_OTHERS_EVERY = 4
"""The bridge is sampled at every turn, everything else at each fourth."""


class NotReadyError(Exception):
    """The bridge's first metric never reached the sink; says whether the bridge ended or was silent."""


class Run:
    """One run. Its methods are called in the order of `runner.run_scenario`, `clear_away` in any case.

    Args:
        scenario: what happens.
        rig: what it happens on.
        bridge_command: the bridge under test.
        run_dir: the folder for the record.
        seed: for everything that is random.
        interrupt: ends every wait.
        progress: told what happens.

    Raises:
        RecordError: no record can be written to the folder.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        rig: Rig,
        bridge_command: Sequence[str],
        run_dir: Path,
        seed: int,
        interrupt: threading.Event,
        progress: Callable[[str], None],
    ) -> None:
        self._scenario = scenario
        self._rig = rig
        self._command = tuple(bridge_command)
        self._run_dir = run_dir.absolute()
        self._seed = seed
        self._patience = Patience(interrupt)
        self._progress = progress
        self._recorder = Recorder(
            self._run_dir,
            provenance.meta(
                scenario.name, rig.name, self._command, self._run_dir, seed, programs=programs.versions_on(rig.name)
            ),
            scenario.model_dump(mode="json", by_alias=True),
        )
        self._processes = Processes(self._on_process)
        self._harm = Harm(self._recorder, progress)
        self._observer = ResourceObserver(self._recorder.sample, self._on_member)
        self._up: Standing | None = None
        self._way_proven = False
        self._started: dict[str, Started] = {}
        self._bridge_life = ProcessLife(
            "bridge",
            self._processes,
            lambda: self._started.get("bridge"),
            lambda: self._standing.start_bridge(self._command),
        )

    def rig_up(self) -> None:
        """Start sink and relay, and the observer of resources."""
        if lacking := self._rig.lacking():
            raise RigError(f"this machine cannot run the {self._rig.name} rig: {'; '.join(lacking)}")
        self._observer.start()
        watched = Watched("harness", os.getpid(), procfs.create_time(os.getpid()), with_children=False)
        self._observer.watch(watched, every=_OTHERS_EVERY)
        self._up = self._rig.up(
            Setting(
                self._scenario,
                self._run_dir,
                self._seed,
                self._processes,
                self._patience,
                self._command,
                self._recorder,
            )
        )
        ground = self._up.ground
        if ground.metrics_file_system:
            file, kind = str(ground.metrics_file), ground.metrics_file_system
            self._recorder.event("ground", metrics_file=file, file_system=kind)
        self._way_proven = self._prove_way()

    def start(self) -> None:
        """Start job and bridge, in the scenario's order."""
        wait = self._scenario.start.job_after
        if wait:
            self._standing.start_bridge(self._command)
            self.hold("before-the-job", "warm-up", wait)
        self._standing.start_job()
        if not wait:
            self._standing.start_bridge(self._command)

    def until_ready(self) -> bool:
        """Wait for the bridge's first metric at the sink; False: it did not come, and that is for the checks to judge.

        So it is where a call of the harness's own came through on the same way, before the bridge was started and again
        now, and the job has written. So it is, too, where the bridge is there before the job, and where it was killed
        by the memory limit that the scenario gives it: to live under that limit is what such a scenario is about.

        Raises:
            NotReadyError: it did not come within the scenario's ``ready_within``, and that may be the rig's fault.
            RigError: the rig broke down meanwhile.
        """
        try:
            self._until_first_metric()
        except NotReadyError as problem:
            ended = self._started["bridge"].exit
            if self._scenario.start.job_after or (ended is not None and ended.out_of_memory is not None):
                return False
            self._standing.check()
            if not (self._way_proven and self._job_has_written() and self._prove_way()):
                raise
            self._recorder.event("process", role="bridge", action="never-ready", reason=str(problem))
            return False
        return True

    def _prove_way(self) -> bool:
        """Whether a call of the harness's own comes through where the bridge dials."""
        seen = canary.send(self._standing.ground.collector, self._patience)
        self._recorder.event("canary", ok=seen.ok, evidence=seen.evidence)
        return seen.ok

    def _job_has_written(self) -> bool:
        """By its ledger, wherever that is; it may end in half a line."""
        try:
            return b'"kind":"write"' in self._ground.job.noted().replace(b" ", b"")
        except (OSError, JobError):
            return False

    def _until_first_metric(self) -> None:
        bridge, within = self._started["bridge"], self._scenario.ready_within
        try:
            self._patience.until(
                lambda: self._first_point_t() is not None or bridge.exit is not None,
                within=within,
                what="the bridge's first metric at the sink",
                every=0.05,
            )
        except WaitedTooLongError:
            calls = self._standing.deliveries().calls
            raise self._not_ready(
                f"the bridge was silent: it ran for {within:g} s, made {calls} Export calls and delivered no metric"
            ) from None
        if (t := self._first_point_t()) is None:
            code = bridge.exit.code if bridge.exit else None
            raise self._not_ready(f"the bridge exited with code {code} before its first metric reached the sink")
        self._recorder.event("process", t, role="bridge", action="ready", pid=bridge.pid)
        self._progress("the bridge is ready: its first metric is at the sink")

    def named_steps(self) -> Iterator[tuple[str, SteadyStep | FaultStep]]:
        """The timeline's steps with the names of their phases."""
        names = [name for name, kind in self._scenario.phase_names if kind in {"steady", "fault"}]
        return zip(names, self._scenario.timeline, strict=False)

    def hold(self, name: str, kind: PhaseKind, seconds: float) -> None:
        """Begin a phase, and let it last so long. A phase of 0 s is none.

        Raises:
            RigError: the sink or the relay ended meanwhile.
            InterruptedRunError: the run was told to end.
        """
        if seconds > 0:
            self._begin(name, kind, f" for {seconds:g} s")
            self._let_pass(seconds)

    def break_and_heal(self, name: str, step: FaultStep) -> None:
        """Inject, verify, hold, verify again, heal; then time to recover.

        It holds from its first verification on: on a busy machine what injects may take seconds.
        """
        self._begin(name, "fault", f": {step.fault} for {step.for_:g} s")
        self._harm.inject(name, step, self._ground)
        began = time.monotonic()
        if (inner := step.inner) is not None:
            self._let_pass(began + inner.after - time.monotonic())
            self._harm.inject(name, inner, self._ground)
            self._let_pass(began + inner.after + inner.for_ - time.monotonic())
            self._harm.verify_last()
            self._harm.heal_last()
        self._let_pass(began + step.for_ - time.monotonic())
        self._harm.verify_last()
        self._harm.heal_last()
        self.hold(f"{name}-recovery", "recovery", step.recovery)

    def until_the_job_ends_by_itself(self) -> None:
        """When the scenario says that the job ends by itself: wait for that."""
        spec = self._scenario.job
        if not spec.ends_by_itself:
            return
        planned_seconds = spec.write_period * spec.epochs * spec.batches_per_epoch
        job = self._started["job"]
        self._progress("waiting for the job's own end")
        try:
            self._patience.until(
                lambda: job.exit is not None,
                within=planned_seconds + JOB_LATE_SECONDS,
                what="the job's own end",
            )
        except WaitedTooLongError as problem:
            self._note(f"{problem}: it is told to finish")

    def drain(self) -> None:
        """End the job, at once signal the bridge, wait for its end up to the scenario's grace, then kill it."""
        stop = self._scenario.stop
        self._begin("drain", "drain", f": SIG{stop.signal}, {stop.at}")
        if stop.under:
            self._harm.inject("drain", stop.under, self._ground)
        self._come_to(stop.at)
        bridge = self._started["bridge"]
        self._processes.signal(bridge, signal.Signals[f"SIG{stop.signal}"])
        self._finish_job()
        try:
            self._patience.until(lambda: bridge.exit is not None, within=stop.grace, what="the bridge's end")
        except WaitedTooLongError:
            self._note(f"the bridge did not end within {stop.grace:g} s of SIG{stop.signal}: killed")
            self._processes.signal(bridge, signal.SIGKILL)
            bridge.kill()
        if stop.under:
            self._harm.verify_last()
            self._harm.heal_last()
        self._let_pass(LATE_EXPORTS_SECONDS)
        self._standing.ask_back_end()

    def _come_to(self, at: str) -> None:
        """Bring the run to the moment of the signal, and record how that went."""
        try:
            if at == "mid-write":
                met = moments.half_written(self._ground, self._patience)
            elif at == "starting":
                self._bridge_life.kill()
                self._finish_job()
                self._bridge_life.start()
                met = moments.starting(self._started["bridge"], self._calls, self._patience)
            elif at == "deletion":
                met = Seen(ok=self._ground.job.alive, evidence="the job's process was looked for at that moment")
            else:
                self._finish_job()
                return
        except (FaultError, JobError, WaitedTooLongError) as problem:
            met = Seen(ok=False, evidence=str(problem))
        self._recorder.event("moment", at=at, ok=met.ok, evidence=met.evidence)

    def clear_away(self, *, error: str | None, interrupted: bool) -> None:
        """Heal, stop everything that was started, last first, complete the record.

        Raises:
            RecordError: the record cannot be completed.
        """
        self._harm.heal_all()
        self._observer.stop()
        left = self._processes.stop_all()
        if self._up is not None:
            self._up.down()
        self._processes.close()
        if left:
            error = "; ".join((error, *left) if error else left)
        if error or interrupted:
            self._progress(error or "interrupted")
        self._recorder.finish(error=error, interrupted=interrupted)

    @property
    def _ground(self) -> Ground:
        """What faults may touch: the rig's ground, and the bridge where the rig has no door of its own to it."""
        ground = self._standing.ground
        return ground if ground.bridge is not None else replace(ground, bridge=self._bridge_life)

    @property
    def _standing(self) -> Standing:
        if self._up is None:
            raise RigError("the rig is not up")
        return self._up

    def _on_process(self, t: float, process: Started, action: str, facts: Mapping[str, object]) -> None:
        self._recorder.event("process", t, role=process.role, action=action, pid=process.pid, **facts)
        if action == "started":
            self._started[process.role] = process
            if facts.get("elsewhere"):
                return
            every = 1 if process.role == "bridge" else _OTHERS_EVERY
            self._observer.watch(
                Watched(process.role, process.pid, process.create_time, mark=process.mark, cgroup=process.cgroup),
                every=every,
            )
        if process.role == "bridge" and action == "exited":
            self._progress(f"the bridge ended with code {facts['exit_code']}")

    def _on_member(self, change: Change) -> None:
        if change.role == "bridge":
            facts = {"role": change.role, "action": change.action, "root": change.root, **asdict(change.member)}
            facts["unseen_seconds"] = round(change.unseen_seconds, 3)
            self._recorder.event("member", change.t, **facts)

    def _calls(self) -> int:
        return self._standing.deliveries().calls

    def _first_point_t(self) -> float | None:
        return self._standing.deliveries().first_point_t

    def _not_ready(self, what: str) -> NotReadyError:
        said = self._started["bridge"].last_lines()
        self._note(f"not ready: {what}")
        return NotReadyError(f"{what}; {f'its last lines: {said}' if said else 'it said nothing'} (bridge.log)")

    def _finish_job(self) -> None:
        job = self._started["job"]
        if job.exit is not None:
            return
        self._standing.ground.job.finish()
        try:
            self._patience.until(
                lambda: job.exit is not None, within=JOB_FINISH_SECONDS, what="the job's end", every=0.002
            )
        except WaitedTooLongError as problem:
            self._note(f"{problem}: it is stopped without a last write")
            job.stop()

    def _let_pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._patience.hold(min(left, _LOOK_SECONDS))
            self._standing.check()
            self._recorder.check()

    def _begin(self, name: str, kind: PhaseKind, more: str) -> None:
        self._recorder.event("phase", name=name, phase=kind)
        self._progress(f"{name}{more}")

    def _note(self, text: str) -> None:
        self._recorder.event("note", text=text)
        self._progress(text)

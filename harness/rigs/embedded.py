"""The embedded rig: Python alone. Bridge -> relay -> recording sink, each a process of its own, on loopback."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness import memory_folder, own_orphans, procfs, unprivileged
from harness.child_environment import child_environment
from harness.control import Control, ControlError
from harness.faults import FaultError, Ground
from harness.faults.http2_probe import Dialled
from harness.jobs import Jobs
from harness.lives import ProcessLife
from harness.ports import HOST, HeldPort
from harness.rigs.contract import Deliveries, RigError, Setting
from harness.scenario import RUN_FOLDER, SERVICE_NAME, Need, RigName
from harness.started import ProcessError, Started

_READY_SECONDS = 20.0
"""To start a Python process that imports grpc, on a machine that is busy."""
_JOB = (sys.executable, "-m", "mock_ml_job")


class Relayed(Dialled):
    """The door to the collector: the relay before it.

    Args:
        relay: the relay's control channel.
        port: where the relay listens.
    """

    def __init__(self, relay: Control, port: int) -> None:
        self.host = HOST
        self._relay = relay
        self.port = port

    def set_mode(self, mode: str) -> None:
        """Set it and look at what the relay says it became."""
        if self._ask("mode", {"mode": mode}) != mode:
            raise FaultError(f"the relay did not take the mode {mode}")

    def mode(self) -> str:
        """Ask the relay."""
        return self._ask("state")

    def _ask(self, do: str, arguments: Mapping[str, object] | None = None) -> str:
        try:
            return str(self._relay.ask(do, arguments)["mode"])
        except ControlError as problem:
            raise FaultError(str(problem)) from problem


class SinkAnswers:
    """How the sink answers: told over its control channel.

    Args:
        sink: the control channel of the sink that runs now.
        port: where it listens.
    """

    host = HOST

    def __init__(self, sink: Callable[[], Control], port: int) -> None:
        self._sink = sink
        self.port = port

    def decide(self, decision: str, parameters: Mapping[str, object]) -> None:
        """Tell the sink."""
        try:
            self._sink().ask("decide", {"decision": decision, "parameters": dict(parameters)})
        except ControlError as problem:
            raise FaultError(str(problem)) from problem


class EmbeddedStanding:
    """The embedded rig of one run, up.

    Args:
        setting: what it was put up for.
        job_command: the job's program, before ``mock`` or ``train``.
    """

    _own_host = HOST
    """The address of this machine that sink and relay listen on."""
    _shared_folder = Path("metrics")
    """The metrics file's, in the run's folder, or in one of the run's own in memory."""
    _in_memory = True
    """Whether a tmpfs is taken for it where there is one."""

    def __init__(self, setting: Setting, job_command: Sequence[str]) -> None:
        self._setting = setting
        self._job_command = job_command
        self._run_dir = setting.run_dir
        self._memory = memory_folder.make(self._run_dir, setting.processes.after_death if self._in_memory else None)
        self._shared = self._memory.path / self._shared_folder
        if not setting.scenario.start.without_folder:
            self._shared.mkdir(parents=True, exist_ok=True)
        self._of_rig: dict[str, Started] = {}
        self._controls: list[Control] = []
        # Held, so that no neighbour gets it while the sink is dead; and a connect is refused meanwhile.
        self._sink_port = HeldPort(self._own_host)
        self._sink_life = ProcessLife("sink", setting.processes, lambda: self._of_rig.get("sink"), self._sink_again)
        job = Jobs(
            self._launch_job,
            setting.processes,
            self._run_dir,
            job_id=f"{setting.scenario.name.replace('/', '-')}-{setting.seed}",
            period_seconds=setting.scenario.job.write_period,
        )
        try:
            self._start_sink()
            self.ground = self._ground(self._shared / "current.json", job, self._sink_port.number)
            self.ground = replace(self.ground, metrics_file_system=self._memory.file_system)
        except BaseException:
            self.down()
            raise

    def _ground(self, metrics_file: Path, job: Jobs, sink_port: int) -> Ground:
        """Lay the way from the bridge to the sink; gives what faults may touch of it."""
        relay, port = self._start_relay(f"{HOST}:{sink_port}")
        return Ground(
            metrics_file,
            job,
            Relayed(relay, port),
            self._setting.patience,
            answers=SinkAnswers(lambda: self._sink, sink_port),
            collector_life=self._sink_life,
        )

    def _start_sink(self) -> None:
        out, port = str(self._run_dir / "exports.jsonl"), str(self._sink_port.number)
        self._sink, _ = self._start_observer("sink", "--port", port, "--out", out)

    def _sink_again(self) -> None:
        try:
            self._start_sink()
        except RigError as problem:
            raise FaultError(str(problem)) from problem

    def _start_relay(self, upstream: str) -> tuple[Control, int]:
        return self._start_observer("relay", "--upstream", upstream, "--out", str(self._run_dir / "wire.jsonl"))

    def start_job(self) -> Started:
        """Start ``mock`` or ``train`` with its ledger and control file in the run's folder."""
        return self.ground.job.start()

    def _launch_job(self, role: str, variables: Mapping[str, str]) -> Started:
        job = self._setting.scenario.job
        contract = {
            "MODEL_NAME": "digits-mlp" if job.kind == "train" else "resnet-50",
            "DATASET": "digits" if job.kind == "train" else "imagenet",
            "METRICS_FILE_PATH": str(self.ground.metrics_file),
            "WRITE_INTERVAL": f"{job.write_period:g}",
            "TOTAL_EPOCHS": str(job.epochs),
            "BATCHES_PER_EPOCH": str(job.batches_per_epoch),
            "JOB_WRITE_MODE": job.write_mode,
            # Linear algebra on every core would starve the bridge, which is what is measured here.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return self._start(role, [*self._job_command, job.kind], {**contract, **variables})

    def start_bridge(self, command: Sequence[str]) -> Started:
        """Start the bridge against the relay."""
        bridge = self._setting.scenario.bridge
        variables = self._contract(f"http://{HOST}:{self.ground.collector.port}", str(self.ground.metrics_file))
        own = {name: value.replace(RUN_FOLDER, str(self._run_dir)) for name, value in bridge.env.items()}
        environment = child_environment({**variables, **own})
        if problem := no_program(command[0], environment.get("PATH")):
            raise ProcessError(f"cannot start the bridge: {problem}")
        bound = [sys.executable, "-I", "-S", own_orphans.__file__]
        bound += [sys.executable, "-I", "-S", unprivileged.__file__] if bridge.obeys_permissions else []
        return self._start("bridge", [*bound, *command], {**variables, **own})

    def _contract(self, endpoint: str, metrics_file: str) -> dict[str, str]:
        """The five variables that every bridge is given."""
        bridge = self._setting.scenario.bridge
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_SERVICE_NAME": SERVICE_NAME,
            "METRICS_FILE_PATH": metrics_file,
            "COLLECTION_INTERVAL": f"{bridge.interval:g}",
            "LOG_LEVEL": bridge.log_level,
        }

    def deliveries(self) -> Deliveries:
        """Ask the sink."""
        try:
            state = self._sink.ask("state")
        except ControlError as problem:
            raise RigError(f"{problem}; see sink.log") from problem
        return Deliveries(state["calls"], state["points"], state["first_point_t"])

    def check(self) -> None:
        """See that sink and relay run and stand not still, unless the scenario wants it, and that the job is whole."""
        if broken := self.ground.job.broken():
            raise RigError(f"{broken}; run again, and see its log")
        for process in self._of_rig.values():
            if process.role in self._meant_to_be_gone():
                continue
            if (ended := process.exit) is not None:
                raise RigError(
                    f"the {process.role} ended in the middle of the run with code {ended.code}: "
                    f"{process.last_lines() or 'it said nothing'}; run again, and see {process.log.name}"
                )
            if procfs.state(process.pid) == "T":
                raise RigError(f"the {process.role} (pid {process.pid}) was stopped by somebody's signal; run again")

    def _meant_to_be_gone(self) -> tuple[str, ...]:
        """The roles that the scenario itself ended."""
        return (self._sink_life.role,) if self._sink_life.meant_to_be_gone else ()

    def ask_back_end(self) -> None:
        """There is none behind the sink."""

    def down(self) -> None:
        """Close the control channels, give the port back, remove the folder in memory."""
        for channel in self._controls:
            channel.close()
        self._sink_port.close()
        self._memory.close()

    def _start_observer(self, role: str, *arguments: str) -> tuple[Control, int]:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", f"harness.observers.{role}", *arguments, "--host", self._own_host]
        command += ["--control-fd", str(theirs.fileno())]
        with theirs:
            process = self._start(role, command, {}, pass_fds=(theirs.fileno(),))
        channel = Control(ours, role)
        self._controls.append(channel)
        self._of_rig[role] = process
        try:
            return channel, int(channel.ready(_READY_SECONDS)["port"])
        except ControlError as problem:
            raise RigError(
                f"the {role} did not come up: {problem}; {process.last_lines() or 'it said nothing'}"
            ) from problem

    def _start(
        self, role: str, command: Sequence[str], variables: Mapping[str, str], pass_fds: Sequence[int] = ()
    ) -> Started:
        return self._setting.processes.start(
            role, command, env=child_environment(variables), log=self._run_dir / f"{role}.log", pass_fds=pass_fds
        )


def no_program(program: str, path: str | None) -> str | None:
    """Say that the first word of a bridge's command is no program on a PATH, with the mend; None: it is one."""
    return None if shutil.which(program, path=path) else f"no program {program!r} on PATH; {how_to_name(program)}"


def how_to_name(program: str) -> str:
    """Say how to name what was meant by the first word of a bridge's command, which is no program."""
    if program.startswith("image:"):
        return "an image needs --rig compose"
    if re.match(r"[A-Za-z_]\w*=", program):
        return f"a variable stands behind env: --bridge 'env {program} COMMAND'"
    if program.startswith("~"):
        return "no shell looks at it, so write the whole path"
    if os.path.lexists(program):
        return "it is there, and may not be executed"
    return "check the command"


class Embedded:
    """The rig for everyone: needs nothing but Python and the harness's own dependencies.

    Args:
        job_command: the job's program, before ``mock`` or ``train``.
    """

    name: RigName = "embedded"
    offers: frozenset[Need] = frozenset({"answering-sink", "own-processes", "local-files"})
    bridge_command: tuple[str, ...] = (sys.executable, "-m", "bridge")

    def __init__(self, job_command: Sequence[str] = _JOB) -> None:
        self._job_command = tuple(job_command)

    def lacking(self) -> tuple[str, ...]:
        """It needs pidfds, and /proc."""
        if hasattr(os, "pidfd_open"):
            return ()
        return ("Linux 5.4 or later (pidfd): run in a container or a virtual machine",)

    def objection(self, command: Sequence[str]) -> str | None:
        """It starts the bridge as a process of this machine."""
        return no_program(command[0], child_environment({})["PATH"])

    def up(self, setting: Setting) -> EmbeddedStanding:
        """Start sink and relay."""
        return EmbeddedStanding(setting, self._job_command)

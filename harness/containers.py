"""The first process of a container as something that a run started: see `started.py` for the contract.

It is held, signalled and measured by its own pid on this machine, never through the client: what the client costs, or
how soon it hears of an end, is nobody's figure. How it ended is the engine's word, for only its parent is told.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from harness import procfs
from harness.cgroups import Cgroup, CgroupFigures, cgroup_of
from harness.docker_engine import ContainerState, DockerEngine, DockerError
from harness.started import STOP_SECONDS, Exit, Held, OutOfMemory, ProcessError

START_SECONDS = 60.0
"""From the order to the first process: 0.5 s, and more where many containers are started at once."""
_STARTS = 3
"""So often a start is tried of which the engine knows nothing afterwards."""
_KILLED_SECONDS = 20.0
"""From SIGKILL until the engine says so too."""
_FIGURES_SECONDS = 0.1
"""Between looks at the memory's peak, which is gone with the container."""
_POLL_SECONDS = 0.01
_ENGINE_POLL_SECONDS = 0.05
_OUTPUT_SECONDS = 5.0
"""From a container's end to the end of its output."""
_SHELL_BASE = 128
"""The engine says 128 and the signal's number where a signal ended a process."""


class ContainerProcess(Held):
    """The first process of one life of a container.

    Args:
        role: bridge, collector, ...
        engine: says how it ended.
        container: its name.
        state: what the engine said of it when it ran.
        output: the client that carries its output into the log.
        log: the file with its output.

    Raises:
        ProcessError: it is not to be seen on this machine.
    """

    def __init__(
        self,
        role: str,
        engine: DockerEngine,
        container: str,
        state: ContainerState,
        *,
        output: subprocess.Popen[bytes],
        log: Path,
    ) -> None:
        super().__init__(role, state.pid, log)
        self.mark = f"container-{state.id}"
        self.image_id = state.image_id
        self.cgroup: Cgroup | None = None
        self._engine = engine
        self._container = container
        self._output = output
        self._figures: CgroupFigures | None = None
        self._limit_bytes = state.memory_limit_bytes
        self.create_time = 0.0
        if state.pid > 0:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it has ended by now: told by `watch`
                self._hold(state)

    def _hold(self, state: ContainerState) -> None:
        self._pidfd = os.pidfd_open(state.pid)
        self.create_time = procfs.create_time(state.pid)
        self._see_that_it_is_the_one(state.id)
        self.cgroup = cgroup_of(state.pid)

    def _see_that_it_is_the_one(self, container_id: str) -> None:
        group = Path(f"/proc/{self.pid}/cgroup").read_text(encoding="utf-8")
        if container_id not in group:
            os.close(self._pidfd)
            self._pidfd = -1
            raise ProcessError(
                f"the {self.role}'s container is not to be seen as process {self.pid} of this machine: "
                "the Docker engine must run here, with control groups that are visible"
            )

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the container's first process; False: it had ended already."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except PermissionError:  # another user's: the engine may
            return self._engine.send_signal(self._container, number)
        except OSError:
            return False
        return True

    def kill(self) -> Exit:
        """End it at once; the kernel ends everything else in the container with its first process.

        Raises:
            ProcessError: it could not be ended.
        """
        self.signal(signal.SIGKILL)
        if (ended := self.wait(_KILLED_SECONDS)) is None:
            who = f"the {self.role}'s container {self._container}"
            raise ProcessError(f"{who} outlived SIGKILL by {_KILLED_SECONDS:g} s")
        return ended

    def stop(self, seconds: float = STOP_SECONDS) -> Exit:
        """SIGTERM, wait so long, SIGKILL.

        Raises:
            ProcessError: it could not be ended.
        """
        self.signal(signal.SIGTERM)
        return self.wait(seconds) or self.kill()

    def _watch(self, on_exit: Callable[[Exit], None]) -> None:
        self._until_it_ends()
        t = time.monotonic()
        self._look()  # the group lives on for some milliseconds
        try:
            state = self._until_the_engine_knows()
            ended = Exit(t, _code(state.exit_code), self._out_of_memory(state))
        except DockerError:  # nobody can say any more how it ended: only that SIGKILL would look so
            ended = Exit(t, -signal.SIGKILL)
        self._ended = ended  # known before its last output is there
        end_output(self._output, _OUTPUT_SECONDS)
        self._tell(ended, on_exit)

    def _until_it_ends(self) -> None:
        if self._pidfd < 0:
            return
        readable = select.poll()
        readable.register(self._pidfd, select.POLLIN)
        while not readable.poll(_FIGURES_SECONDS * 1000):
            self._look()

    def _look(self) -> None:
        if self.cgroup is not None:
            with contextlib.suppress(OSError):
                self._figures = self.cgroup.figures()

    def _until_the_engine_knows(self) -> ContainerState:
        deadline = time.monotonic() + _KILLED_SECONDS
        while (state := self._engine.state(self._container)).running and time.monotonic() < deadline:
            time.sleep(_ENGINE_POLL_SECONDS)
        return state

    def _out_of_memory(self, state: ContainerState) -> OutOfMemory | None:
        """Only where SIGKILL ended it: a child of it that was killed so is another matter."""
        counted = self._figures is not None and bool(self._figures.kills)
        if state.exit_code != _SHELL_BASE + signal.SIGKILL or not (state.out_of_memory or counted):
            return None
        limit = self._figures.memory_limit_bytes if self._figures else None
        return OutOfMemory(limit or self._limit_bytes, self._figures.memory_peak_bytes if self._figures else None)


def start_container(engine: DockerEngine, role: str, container: str, log: Path) -> tuple[float, ContainerProcess]:
    """Start a container that was created before, or that has ended; gives when, and its first process.

    Raises:
        ProcessError: the engine cannot start it; with what it said.
    """
    for _ in range(_STARTS - 1):
        try:
            return _start(engine, role, container, log)
        except _NothingHappenedError:
            continue
    try:
        return _start(engine, role, container, log)
    except _NothingHappenedError as problem:
        raise ProcessError(f"cannot start the {role}: {problem}") from problem


class _NothingHappenedError(Exception):
    """The client ended without an error, and the container was not started: seen where the engine is very busy."""


def _start(engine: DockerEngine, role: str, container: str, log: Path) -> tuple[float, ContainerProcess]:
    try:
        before = engine.state(container).started_at
        with log.open("ab") as file:
            from_byte = file.tell()
            output = subprocess.Popen(  # noqa: S603 - the client, with arguments of ours
                [engine.program, "start", "--attach", container],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,  # an interrupt at the terminal is not for it; in our session, so it is no orphan
            )
    except (DockerError, OSError) as problem:
        raise ProcessError(f"cannot start the {role}: {problem}") from problem
    try:
        t, state = _until_started(engine, container, before, output)
        process = ContainerProcess(role, engine, container, state, output=output, log=log)
        return _began(process.create_time) or t, process
    except DockerError as problem:
        end_output(output, 0.0)
        with log.open("rb") as file:
            file.seek(from_byte)
            said = " ".join(file.read(2000).decode(errors="replace").split())
        raise ProcessError(f"cannot start the {role}: {said or problem}") from problem
    except (ProcessError, _NothingHappenedError):
        end_output(output, 0.0)
        raise


def _until_started(
    engine: DockerEngine, container: str, before: str, output: subprocess.Popen[bytes]
) -> tuple[float, ContainerState]:
    """Wait for a start later than the one before; it may have ended again by then."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        client_ended = output.poll() is not None
        state = engine.state(container)
        if state.started_at != before and (state.running or not state.error):
            return time.monotonic(), state
        if client_ended and output.returncode == 0 and not state.error:
            raise _NothingHappenedError(f"its client ended {_STARTS} times without having started it")
        if client_ended:
            raise DockerError(state.error or f"the client ended with {output.returncode}")
        if time.monotonic() > deadline:
            raise DockerError(f"it did not start within {START_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)


def _began(create_time: float) -> float | None:
    """When a process began, on CLOCK_MONOTONIC: the engine tells of it later. None: nobody knows."""
    if not create_time:
        return None
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return min(create_time - asleep, time.monotonic())


def end_output(output: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the client to have carried over all output, at most so long, then end it."""
    try:
        output.wait(seconds)
    except subprocess.TimeoutExpired:
        output.kill()
        output.wait()


def _code(exit_code: int) -> int:
    """Say the end by a signal as `subprocess` does."""
    number = exit_code - _SHELL_BASE
    return -number if 0 < number < signal.NSIG else exit_code

"""Harm by the life of the job's process: it ends and comes back, dies, hangs, has a double."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated, Literal

from pydantic import Field

from harness import procfs
from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.file import NoParameters, is_json_object
from harness.job_control import JobControl, JobError
from harness.processes import ProcessError
from harness.scenario import Seconds, Strict
from harness.waiting import WaitedTooLongError, wait_until

_LOOK_SECONDS = 0.005
_MID_WRITE_SECONDS = 60.0
"""Half a document stands so long unless the job is killed meanwhile."""
_FIRST_WRITE_SECONDS = 10.0
"""To start a Python process, on a machine that is busy."""
_STOPPING_SECONDS = 2.0
"""A process that is running somewhere stops when the kernel next looks at its signals."""
_STOPPED = {"T", "t"}


class Gone(Strict):
    """Parameters of `JobGone`."""

    by: Literal["ending", "killing", "dying-mid-write"] = "ending"
    """By SIGTERM, after which the job says its end; by SIGKILL; or by SIGKILL while half a document stands there."""
    back_as: Literal["the-same", "another"] = "the-same"
    """Under which job_id it comes back."""


class JobGone:
    """The job's process is gone for a while. A new one comes back: epoch and batch number begin again."""

    def __init__(self, ground: Ground, parameters: Gone) -> None:
        self._ground = ground
        self._parameters = parameters
        self._injected = False

    def inject(self) -> str:
        """End the job as it is wanted."""
        by = self._parameters.by
        if not self._ground.job.alive:
            raise FaultError("the job has ended already")
        self._injected = True
        try:
            if by == "dying-mid-write":
                self._until_half_written()
            self._ground.job.end(kill=by != "ending")
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be ended: {problem}") from problem
        return f"the job is gone by {by}"

    def verify(self) -> Seen:
        """Look for the process; and, where it died in a write, for half a document."""
        pid = self._ground.job.pid
        if pid is not None and procfs.lives(pid):
            return Seen(ok=False, evidence=f"the job (pid {pid}) runs")
        if self._parameters.by == "dying-mid-write":
            data = self._data()
            torn = bool(data) and not is_json_object(data)
            return Seen(ok=torn, evidence=f"the job is gone; {len(data)} bytes are {'no ' if torn else 'a '}whole file")
        return Seen(ok=True, evidence=f"there is no process {pid}")

    def heal(self) -> str:
        """Start the job again, and wait for its first write."""
        job = self._ground.job
        if not self._injected:
            return "the job was not touched"
        if job.alive:
            job.tear(0.0)
            return "the job had not ended"
        another = self._parameters.back_as == "another"
        before = self._data()
        try:
            job.start(f"{job.job_id}-next" if another else None)
        except (JobError, ProcessError) as problem:
            raise FaultError(f"the job could not be started again: {problem}") from problem
        _until_written(self._ground, before)
        return f"the job runs again as {job.job_id}"

    def _until_half_written(self) -> None:
        self._ground.job.tear(_MID_WRITE_SECONDS)

        def half_written() -> bool:
            data = self._data()
            return bool(data) and not is_json_object(data)

        within = 2 * self._ground.job.period_seconds + 1.0
        self._ground.patience.until(half_written, within=within, what="half a document", every=_LOOK_SECONDS)

    def _data(self) -> bytes:
        try:
            return self._ground.metrics_file.read_bytes()
        except FileNotFoundError:
            return b""


class JobHangs:
    """The job's process is frozen between two writes; it is there and does nothing."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._ground = ground

    def inject(self) -> str:
        """Stop the process (SIGSTOP), after it was told to write no more: half a file is another fault."""
        try:
            self._ground.job.pause(True)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be paused: {problem}") from problem
        self._ground.job.freeze()
        with contextlib.suppress(WaitedTooLongError):  # verify says so
            self._ground.patience.until(
                lambda: self.verify().ok, within=_STOPPING_SECONDS, what="the process is stopped", every=_LOOK_SECONDS
            )
        return "the job's process was stopped"

    def verify(self) -> Seen:
        """Ask the kernel for the process's state."""
        pid = self._ground.job.pid
        state = None if pid is None else procfs.state(pid)
        return Seen(ok=state in _STOPPED, evidence=f"the job (pid {pid}) is in the state {state}")

    def heal(self) -> str:
        """Let it go on, and write."""
        if not self._ground.job.alive:
            return "the job has ended: nobody hangs"
        self._ground.job.thaw()
        try:
            self._ground.job.pause(False)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be resumed: {problem}") from problem
        return "the job goes on"


class Second(Strict):
    """Parameters of `JobSecondWriter`."""

    named: Literal["the-same", "another"] = "another"
    """The second job's job_id: that of a pod which was not gone when its successor came, or a stranger's."""
    times: Annotated[int, Field(ge=1)] = 1
    """How often each verify wants to see each of the two write."""
    within: Seconds = 0.0
    """How long a verify may look; 0s: six write periods and 1 s."""


class JobSecondWriter:
    """Two jobs write the same file."""

    def __init__(self, ground: Ground, parameters: Second) -> None:
        self._ground = ground
        self._parameters = parameters
        self._second: JobControl | None = None

    def inject(self) -> str:
        """Start a second job, and wait for its first write."""
        job = self._ground.job
        if not job.alive:
            raise FaultError("the job has ended: a second one would be alone")
        name = job.job_id if self._parameters.named == "the-same" else f"{job.job_id}-double"
        try:
            self._second = job.start_second(name)
            wait_until(self._has_written, within=_FIRST_WRITE_SECONDS, what="the second job's first write")
        except (ProcessError, WaitedTooLongError) as problem:
            raise FaultError(f"there is no second job: {problem}") from problem
        return f"a second job, {name}, writes the same file"

    def verify(self) -> Seen:
        """Look at the two ledgers: both must have grown by writes of now."""
        if self._second is None:
            return Seen(ok=False, evidence="there is no second job")
        wanted = self._parameters.times
        before = self._counts()
        within = self._parameters.within or 6 * self._ground.job.period_seconds + 1.0
        try:
            self._ground.patience.until(
                lambda: all(now - then >= wanted for now, then in zip(self._counts(), before, strict=True)),
                within=within,
                what="writes of both",
                every=0.02,
            )
        except WaitedTooLongError:
            grown = [now - then for now, then in zip(self._counts(), before, strict=True)]
            return Seen(ok=False, evidence=f"in {within:.1f} s the two jobs made {grown} writes")
        return Seen(ok=True, evidence=f"both made {wanted} or more writes")

    def heal(self) -> str:
        """End the second job."""
        if self._second is None:
            return "there was no second job"
        try:
            self._ground.job.end_second()
        except JobError as problem:
            raise FaultError(str(problem)) from problem
        return "the second job has ended"

    def _has_written(self) -> bool:
        return self._second is not None and self._second.writes() > 0

    def _counts(self) -> tuple[int, int]:
        return (self._ground.job.writes(), 0 if self._second is None else self._second.writes())


def _until_written(ground: Ground, before: bytes) -> None:
    """Wait until the file holds another whole document than before; a heal must not be interruptible."""
    deadline = time.monotonic() + _FIRST_WRITE_SECONDS

    def written() -> bool:
        try:
            data = ground.metrics_file.read_bytes()
        except FileNotFoundError:
            return False
        return data != before and is_json_object(data)

    try:
        wait_until(written, within=deadline - time.monotonic(), what="the new job's first write")
    except WaitedTooLongError as problem:
        raise FaultError(str(problem)) from problem

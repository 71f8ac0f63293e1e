"""The job's processes of one run: started, told, frozen, ended, and started again; each with a ledger of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence

from harness.job_control import JobControl, JobError
from harness.places import FolderPlace
from harness.processes import Processes
from harness.started import Started

END_SECONDS = 5.0
"""From SIGTERM, or SIGKILL, to the job's end: a batch of real training may be under way."""
NUMBERS_APART = 11_000_000
"""Between the first losses of two processes, so that a loss names one write of them all; the longest job has less."""

SECOND_PACE = 0.73
"""A second job's write period as a part of the first one's: of two in step one would never be seen."""

Launch = Callable[[str, Mapping[str, str]], Started]
"""Starts the job's program in a role, with variables beyond those of the scenario."""


class Jobs:
    """The job of a run, whichever process it is: faults and the runner give their orders here.

    Args:
        launch: starts one process.
        processes: sends the signals, so that they are recorded.
        run_dir: for ledgers and control files, where the job can reach them.
        job_id: the job's name, until it is started under another one.
        period_seconds: between two writes.
    """

    def __init__(
        self, launch: Launch, processes: Processes, run_dir: FolderPlace, *, job_id: str, period_seconds: float
    ) -> None:
        self._launch = launch
        self._processes = processes
        self._run_dir = run_dir
        self._started = 0
        self._process: Started | None = None
        self._second: Started | None = None
        self._control: JobControl | None = None
        self.job_id = job_id
        self.period_seconds = period_seconds

    def start(self, job_id: str | None = None) -> Started:
        """Start the job, or start it again; from now on it takes the orders.

        Args:
            job_id: the name under which it comes back; None: as before.

        Raises:
            JobError: it runs already.
            ProcessError: it cannot be started.
        """
        if self.alive:
            raise JobError("the job runs already")
        self.job_id = job_id or self.job_id
        control, variables = self._next(self.job_id)
        process = self._process = self._launch("job", variables)
        self._control = control(lambda: process.exit is None)
        return process

    def start_second(self, job_id: str) -> JobControl:
        """Start another job beside this one, on the same file; gives what it is told by.

        Raises:
            ProcessError: it cannot be started.
        """
        control, variables = self._next(job_id)
        variables["WRITE_INTERVAL"] = f"{SECOND_PACE * self.period_seconds:g}"
        # With one name for both, each would rename the other's file away now and then, and die of it.
        variables["JOB_TEMPORARY"] = ".second.tmp"
        process = self._second = self._launch("second-job", variables)
        return control(lambda: process.exit is None)

    def end_second(self) -> None:
        """End the job beside this one.

        Raises:
            JobError: it does not end.
        """
        self._end(self._second, signal.SIGTERM)

    def broken(self) -> str | None:
        """Why the job cannot be relied on: it ended by itself with an error. None: it did not."""
        for process in (self._process, self._second):
            if process is not None and process.exit is not None and process.exit.code > 0:
                words = process.last_lines() or "it said nothing"
                return f"the {process.role} ended in the middle of the run with code {process.exit.code}: {words}"
        return None

    @property
    def alive(self) -> bool:
        """Whether the job runs."""
        return self._process is not None and self._process.exit is None

    @property
    def pid(self) -> int | None:
        """Of the process that was started last; None: none was."""
        return None if self._process is None else self._process.pid

    def end(self, *, kill: bool = False) -> None:
        """End the job: by SIGTERM, after which it says its end, or by SIGKILL.

        Raises:
            JobError: it has ended already, or does not end.
        """
        if not self.alive:
            raise JobError("the job has ended already")
        self._end(self._process, signal.SIGKILL if kill else signal.SIGTERM)

    def freeze(self) -> None:
        """Stop the process in the middle of what it does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def writes(self) -> int:
        """As `JobControl.writes`."""
        return self._now().writes()

    def noted(self) -> bytes:
        """As `JobControl.noted`."""
        return self._now().noted()

    def pause(self, paused: bool) -> None:
        """As `JobControl.pause`."""
        self._now().pause(paused)

    def tear(self, hold_seconds: float) -> None:
        """As `JobControl.tear`."""
        self._now().tear(hold_seconds)

    def backdate(self, backdated: bool) -> None:
        """As `JobControl.backdate`."""
        self._now().backdate(backdated)

    def spoil(self, fields: Sequence[str], by: str = "null") -> None:
        """As `JobControl.spoil`."""
        self._now().spoil(fields, by)

    def finish(self) -> None:
        """As `JobControl.finish`."""
        self._now().finish()

    def _now(self) -> JobControl:
        if self._control is None:
            raise JobError("the job was not started yet")
        return self._control

    def _next(self, job_id: str) -> tuple[Callable[[Callable[[], bool]], JobControl], dict[str, str]]:
        """What the next process is told by, once it is there, and its variables."""
        self._started += 1
        number = self._started
        tail = "" if number == 1 else f"-{number}"
        ledger, orders = self._run_dir / f"ledger{tail}.jsonl", self._run_dir / f"job.control{tail}.json"
        variables = {
            "JOB_ID": job_id,
            "JOB_LEDGER_PATH": str(ledger),
            "JOB_CONTROL_PATH": str(orders),
            "JOB_SEED": str(number),
            "JOB_FIRST_NUMBER": str((number - 1) * NUMBERS_APART + 1),
        }
        return lambda alive: JobControl(orders, ledger, self.period_seconds, alive), variables

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._processes.signal(self._process, number)

    def _end(self, process: Started | None, number: signal.Signals) -> None:
        if process is None or process.exit is not None:
            return
        self._processes.signal(process, number)
        self._processes.signal(process, signal.SIGCONT)  # a frozen one takes no SIGTERM
        if process.wait(END_SECONDS) is None:
            raise JobError(f"the job did not end within {END_SECONDS:g} s of {number.name}")

"""What a run started, wherever it runs: a child of the harness, the first process of a container or of a pod.

`Processes` keeps them all: their starts, signals and ends are recorded, and they are stopped last first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.cgroups import Cgroup

LOG_BYTES_MAX = 64 * 1024 * 1024
"""What is kept of one process' output: one that prints without end must not fill the disk."""
CUT_OFF = "[the harness: output"
"""How the line begins that stands where a log was cut."""
STOP_SECONDS = 3.0
"""From SIGTERM to SIGKILL, for processes whose end nobody measures."""
_TAIL_BYTES = 4000
_LINE_CHARACTERS_MAX = 200


class ProcessError(Exception):
    """A process could not be started, or could not be brought to its end."""


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """That the kernel killed a process because its control group was at its memory limit."""

    limit_bytes: int | None
    """None: it could not be read."""
    peak_bytes: int | None
    """The most that the group was charged with, by the kernel's own mark; None: it could not be read any more."""


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process: when (CLOCK_MONOTONIC, seconds) and how (negative: the signal that killed it)."""

    t: float
    code: int
    out_of_memory: OutOfMemory | None = None
    """Given: the memory limit was the cause, and no other SIGKILL."""

    @property
    def facts(self) -> dict[str, object]:
        """What the record says of it."""
        if (memory := self.out_of_memory) is None:
            return {"exit_code": self.code}
        return {
            "exit_code": self.code,
            "out_of_memory": True,
            "memory_limit_bytes": memory.limit_bytes,
            "memory_peak_bytes": memory.peak_bytes,
        }


class Started(Protocol):
    """One started process. What holds it (a pidfd, an id) never meets a stranger with its old name."""

    role: str
    """job, bridge, sink, relay, collector, ..."""
    pid: int
    """On this machine, also where the process believes in another one."""
    create_time: float
    """As `harness.procfs.create_time` has it: with the pid it names the process."""
    mark: str
    """What it and all that come from it carry in their environment, as `keeper.MARK`."""
    log: Path
    """The file with its output."""
    cgroup: Cgroup | None
    """The control group of its own, which bounds it and counts what it costs; None: it has none."""

    @property
    def exit(self) -> Exit | None:
        """How it ended; None: it runs."""
        ...

    def watch(self, on_exit: Callable[[Exit], None]) -> None:
        """Notice the end at once, in a thread of its own, and tell it. Called once, by `Processes`."""
        ...

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process itself; False: it had ended already."""
        ...

    def wait(self, seconds: float) -> Exit | None:
        """Wait for its end, at most so long; None: it still runs."""
        ...

    def kill(self) -> Exit:
        """End it and all that came from it at once.

        Raises:
            ProcessError: it could not be ended.
        """
        ...

    def stop(self, seconds: float = STOP_SECONDS) -> Exit:
        """SIGTERM, wait so long, SIGKILL.

        Raises:
            ProcessError: it could not be ended.
        """
        ...

    def last_lines(self, count: int = 3) -> str:
        """What it printed last, on one line, for a sentence about its end."""
        ...

    def bound_log(self) -> None:
        """Where the output has outgrown `LOG_BYTES_MAX`, keep its first half and say that the rest is gone."""
        ...

    def close(self) -> None:
        """Give back what it was held by; nothing can be signalled from then on."""
        ...


class Watched:
    """What is the same wherever a process runs: its end, which some wait for and one is told."""

    def __init__(self) -> None:
        self._ended: Exit | None = None
        self._gone = threading.Event()

    @property
    def exit(self) -> Exit | None:
        """How it ended; None: it runs, or whoever tells of its end has not heard of it yet."""
        return self._ended

    def wait(self, seconds: float) -> Exit | None:
        """Wait for its end, at most so long; None: it still runs."""
        self._gone.wait(max(0.0, seconds))
        return self._ended

    def _tell(self, ended: Exit, on_exit: Callable[[Exit], None]) -> None:
        """Tell of the end; who waits goes on when that was heard."""
        self._ended = ended
        try:
            on_exit(ended)
        finally:
            self._gone.set()


class Held(Watched):
    """A process of this machine, held by a pidfd, so that no signal ever meets a stranger with its old pid.

    Args:
        role: job, bridge, sink, relay, ...
        pid: 0: it had ended before anybody saw it.
        log: the file with its output.
        pidfd: what it is held by from now on; -1: nothing.
    """

    def __init__(self, role: str, pid: int, log: Path, pidfd: int = -1) -> None:
        super().__init__()
        self.role = role
        self.pid = pid
        self.log = log
        self._pidfd = pidfd

    def watch(self, on_exit: Callable[[Exit], None]) -> None:
        """Notice the end at once, in a thread of its own, and tell it."""
        threading.Thread(target=self._watch, args=(on_exit,), name=f"{self.role}-{self.pid}", daemon=True).start()

    def last_lines(self, count: int = 3) -> str:
        """What it printed last, on one line, for a sentence about its end."""
        return last_lines(self.log, count)

    def bound_log(self) -> None:
        """Where the output has outgrown `LOG_BYTES_MAX`, keep its first half and say that the rest is gone."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES_MAX:
                os.truncate(self.log, LOG_BYTES_MAX // 2)
                with self.log.open("ab") as file:  # it is open for appending in the process, too
                    file.write(f"\n{CUT_OFF} beyond {LOG_BYTES_MAX} bytes was cut off here]\n".encode())

    def close(self) -> None:
        """Give the pidfd back; nothing can be signalled from then on."""
        held, self._pidfd = self._pidfd, -1
        if held >= 0:
            os.close(held)

    def _watch(self, on_exit: Callable[[Exit], None]) -> None:
        """Wait for the end, find out how it was, and `_tell` it."""
        raise NotImplementedError


def last_lines(log: Path, count: int) -> str:
    """Return the last lines of a log on one line, each cut to a length that a sentence bears; none: empty."""
    with contextlib.suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines()[-count:] if line.strip()]
        return " / ".join(
            f"{line[:_LINE_CHARACTERS_MAX]}..." if len(line) > _LINE_CHARACTERS_MAX else line for line in lines
        )
    return ""

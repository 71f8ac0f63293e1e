"""The child processes of a run: start, log file, end, stop ladder; only what was started here is ever stopped.

Every child is the leader of a session and process group of its own and prints into a file. Its children end with it:
when a leader ends, what is left of its group is killed, and so is what left the group: a mark in the environment, which
every descendant inherits, tells it; and where somebody cleaned the environment, `orphans.py`. When the harness itself
is killed, a keeper ends every group (`keeper.py`): a process, and no PR_SET_PDEATHSIG, because that does not reach
children of a child, and fires already when the thread ends that started the child.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from harness import keeper, orphans, procfs
from harness.cgroups import Cgroup
from harness.started import STOP_SECONDS, Exit, Held, ProcessError, Started

__all__ = ["STOP_SECONDS", "Exit", "Process", "ProcessError", "Processes", "Started", "new_mark"]

_KEEPER = Path(keeper.__file__)
_LOG_LOOK_SECONDS = 0.5
_numbers = itertools.count(1)
_PROMISES_SECONDS = 120.0
"""For a keeper that has something to clear away that the run itself could not."""
_KEEPER_SECONDS = 5.0
"""From the end of its pipe to the keeper's end, where nothing is left to clear away."""
_KILLED_SECONDS = 10.0
"""A killed process that is not gone after this hangs in the kernel."""


def new_mark() -> str:
    """Return a name that nothing else on this machine has or had since its boot."""
    return f"{os.getpid()}.{next(_numbers)}.{time.monotonic_ns()}"


class Process(Held):
    """One started child.

    Args:
        role: job, bridge, sink, relay, ...
        child: it.
        log: the file that it prints into.
        mark: what it and all that come from it carry in their environment.
    """

    cgroup: Cgroup | None = None
    """It shares that of the harness."""

    def __init__(self, role: str, child: subprocess.Popen[bytes], log: Path, mark: str) -> None:
        super().__init__(role, child.pid, log, os.pidfd_open(child.pid))
        self.mark = mark
        self._popen = child
        orphans.expect(child.pid)
        self.create_time = procfs.create_time(child.pid)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process itself; False: it had ended already."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except OSError:
            return False
        return True

    def kill(self) -> Exit:
        """End it and all of its children at once.

        Raises:
            ProcessError: the kernel could not end it.
        """
        children = self._children()
        self.signal(signal.SIGKILL)
        return self._reaped(children)

    def stop(self, seconds: float = STOP_SECONDS) -> Exit:
        """SIGTERM, wait so long, SIGKILL.

        Raises:
            ProcessError: the kernel could not end it.
        """
        children = self._children()
        self.signal(signal.SIGTERM)
        if self.wait(seconds) is None:
            self.signal(signal.SIGKILL)
        return self._reaped(children)

    def _reaped(self, children: Iterable[psutil.Process]) -> Exit:
        ended = self.wait(_KILLED_SECONDS)
        for child in children:  # those that left the group; psutil compares the create time before it signals
            with contextlib.suppress(psutil.Error):
                child.kill()
        if ended is None:
            raise ProcessError(f"{self.role} (pid {self.pid}) outlived SIGKILL by {_KILLED_SECONDS:g} s")
        return ended

    def _children(self) -> list[psutil.Process]:
        if self._ended is not None:
            return []
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def _watch(self, on_exit: Callable[[Exit], None]) -> None:
        # WNOWAIT: the zombie holds the pid and the group's number until the group was killed.
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        t = time.monotonic()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        keeper.end_strays(self.mark)
        orphans.end_since(self.create_time)
        ended = Exit(t, self._popen.wait())
        orphans.forget(self.pid)
        self._tell(ended, on_exit)


class _Keeper:
    """The process that ends our groups when the harness is killed; see `keeper.py`."""

    def __init__(self) -> None:
        self._promised: set[int] = set()
        read_end, self._pipe = os.pipe()
        try:
            with orphans.starting:
                self._process = subprocess.Popen(  # noqa: S603 - a program of ours
                    [sys.executable, "-I", "-S", str(_KEEPER), str(read_end)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=(read_end,),
                )
                orphans.expect(self._process.pid)
        finally:
            os.close(read_end)

    def add(self, group: int, mark: str) -> None:
        """Keep an eye on a process group and on what carries the mark."""
        os.write(self._pipe, f"+{group} {mark}\n".encode())

    def remove(self, group: int, mark: str) -> None:
        """It is gone."""
        with contextlib.suppress(OSError):
            os.write(self._pipe, f"-{group} {mark}\n".encode())

    def promise(self, number: int, command: Sequence[str]) -> None:
        """Have a command carried out when the harness is killed."""
        os.write(self._pipe, f"!{number} {json.dumps(list(command))}\n".encode())
        self._promised.add(number)

    def release(self, number: int) -> None:
        """What it would have cleared away is gone."""
        self._promised.discard(number)
        with contextlib.suppress(OSError):
            os.write(self._pipe, f"~{number} done\n".encode())

    def close(self) -> None:
        """All are gone: the keeper ends too. One that does not, because somebody froze it, is ended."""
        os.close(self._pipe)
        try:
            self._process.wait(_PROMISES_SECONDS if self._promised else _KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        orphans.forget(self._process.pid)


class Processes:
    """Everything that one run started.

    Args:
        on_event: told of each start, exit and signal as ``(t, process, action, facts)``; may be called from any thread.
    """

    def __init__(self, on_event: Callable[[float, Started, str, dict[str, object]], None]) -> None:
        self._on_event = on_event
        self._all: list[Started] = []
        self._keeper: _Keeper | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        orphans.adopt()

    def start(
        self, role: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, pass_fds: Sequence[int] = ()
    ) -> Process:
        """Start a command without a shell; its output goes to the end of the log file, its input is empty.

        Args:
            role: who it is, for the record.
            command: the program, looked up on the child's own PATH, and its arguments.
            env: the child's whole environment.
            log: the file for its output; made when it is not there.
            pass_fds: file descriptors that the child inherits.

        Raises:
            ProcessError: there is no such program, or the log cannot be written.
        """
        if shutil.which(command[0], path=env.get("PATH")) is None:
            raise ProcessError(f"cannot start the {role}: no program {command[0]!r} on PATH; check the command")
        try:
            with self._lock, log.open("ab") as output:
                kept = self._kept(role)
                mark = new_mark()
                with orphans.starting:
                    child = subprocess.Popen(  # noqa: S603 - to start the given command is what this is for
                        list(command),
                        env={**env, keeper.MARK: mark},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        pass_fds=tuple(pass_fds),
                    )
                    orphans.expect(child.pid)
                kept.add(child.pid, mark)
                t = time.monotonic()
                process = Process(role, child, log, mark)
                self._all.append(process)
        except OSError as problem:
            raise ProcessError(f"cannot start the {role}: {problem}") from problem
        self._keep(process, t, kept)
        return process

    def adopt(self, process: Started, t: float, *, elsewhere: bool = False, **facts: object) -> None:
        """Keep what something else started as if it had been started here.

        Args:
            process: not watched yet.
            t: when it was started, on CLOCK_MONOTONIC.
            facts: what else the record is to say of its start.
            elsewhere: its pid is another machine's, or a pod's own: it means nobody here, so that nothing is sent to it
                when the harness is killed, and nothing is sampled by it.

        Raises:
            ProcessError: the run is over; the process was ended.
        """
        try:
            with self._lock:
                kept = self._kept(process.role)
                if not elsewhere and process.pid > 0:  # 0: it had ended before anybody saw it
                    kept.add(process.pid, process.mark)
                self._all.append(process)
        except ProcessError:
            process.watch(lambda _: None)
            process.kill()
            process.close()
            raise
        self._keep(process, t, kept, **facts, **({"elsewhere": True} if elsewhere else {}))

    def told(self, process: Started, number: signal.Signals, t: float) -> None:
        """Record a signal that is not sent from here, at the moment that was the cause of it."""
        self._on_event(t, process, "signalled", {"signal": number.name, "elsewhere": True})

    def after_death(self, command: Sequence[str]) -> Callable[[], None]:
        """Have a command carried out should the harness be killed; gives what calls that off.

        For what no signal ends: containers, networks, a namespace. The commands are carried out one after the other,
        the newest first, in the harness's own environment; at `close` too, where they were not called off.

        Raises:
            ProcessError: the run is over.
        """
        number = next(_numbers)
        with self._lock:
            kept = self._kept(command[0])
            kept.promise(number, command)
        return lambda: kept.release(number)

    def _kept(self, role: str) -> _Keeper:
        if self._closed:
            raise ProcessError(f"cannot start the {role}: the run is over")
        if self._keeper is None:
            self._keeper = _Keeper()
            threading.Thread(target=self._bound_logs, name="logs", daemon=True).start()
        return self._keeper

    def _keep(self, process: Started, t: float, kept: _Keeper, **facts: object) -> None:
        self._on_event(t, process, "started", {"create_time": process.create_time, **facts})
        process.watch(lambda ended: self._ended(process, ended, kept))

    def _bound_logs(self) -> None:
        while not self._over.wait(_LOG_LOOK_SECONDS):
            for process in tuple(self._all):
                process.bound_log()

    def _ended(self, process: Started, ended: Exit, kept: _Keeper) -> None:
        kept.remove(process.pid, process.mark)
        self._on_event(ended.t, process, "exited", ended.facts)

    def signal(self, process: Started, number: signal.Signals, *, planned: bool = False) -> float:
        """Send a signal as part of the run, and have it recorded; gives the moment before it was sent.

        Args:
            process: gets it.
            number: the signal.
            planned: the scenario itself wants this kill, so that the end is none of the process' own.
        """
        t = time.monotonic()
        if process.signal(number):
            facts: dict[str, object] = {"signal": number.name, **({"planned": True} if planned else {})}
            self._on_event(t, process, "killed" if number == signal.SIGKILL else "signalled", facts)
        return t

    def stop_all(self) -> tuple[str, ...]:
        """Stop what still runs, last started first; gives a sentence for each that could not be stopped."""
        problems = []
        for process in reversed(self._all):
            try:
                process.stop()
            except ProcessError as problem:
                problems.append(str(problem))
        return tuple(problems)

    def close(self) -> None:
        """Stop all, and give back what they were held by. Nothing can be started from then on."""
        with self._lock:
            self._closed = True
        self.stop_all()
        self._over.set()
        for process in self._all:
            process.close()
        kept, self._keeper = self._keeper, None
        if kept is not None:
            kept.close()

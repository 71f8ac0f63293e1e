"""The pod of a run: job, bridge and hand. What is seen in it becomes events and samples of the run, on our clock."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness import started
from harness.cgroups import Cgroup
from harness.clocks import Clock
from harness.control import ControlError
from harness.hands import Hand
from harness.kubectl import Kubectl, KubectlError
from harness.pod_watch import PodWatch
from harness.recorder import Recorder
from harness.samples import ResourceSample
from harness.started import STOP_SECONDS, Exit, OutOfMemory, ProcessError, Watched
from harness.waiting import Patience, WaitedTooLongError, wait_until

HAND = "hand"
_SEEN_SECONDS = 30.0
"""From a container's start until its process is seen from the hand: a Python process is started there first."""
_STATUS_SECONDS = 30.0
"""From a container's end until the kubelet has told the API server how it ended."""
_KILLED_SECONDS = 15.0
_SHELL_BASE = 128
"""A container's exit code is 128 and the signal's number where a signal ended it."""
_UNKNOWN_CODE = 255


@dataclass(frozen=True, slots=True)
class Begun:
    """A process as it was first seen in the pod."""

    pid: int
    create_time: float
    t: float
    """On our clock."""


class TrainingPod:
    """A pod that runs.

    Args:
        kubectl: in its namespace.
        name: of the pod.
        marks: of the containers that are watched, by role.
        clock: of its machine.
        hand: in it.
        recorder: takes what the processes cost.
        run_dir: for logs.
        memory_limits_bytes: of the containers, by role.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        name: str,
        *,
        marks: Mapping[str, str],
        clock: Clock,
        hand: Hand,
        recorder: Recorder,
        run_dir: Path,
        memory_limits_bytes: Mapping[str, int],
    ) -> None:
        self.name = name
        self.hand = hand
        self.run_dir = run_dir
        self.memory_limits_bytes = memory_limits_bytes
        self.problem: str | None = None
        """Why nothing that is seen in it can be relied on any more."""
        self._kubectl = kubectl
        self._clock = clock
        self._recorder = recorder
        self.marks = marks
        self._begun: dict[str, Begun] = {}
        self._ends: dict[tuple[str, int], list[Callable[[float], None]]] = {}
        self._early_ends: dict[tuple[str, int], float] = {}
        self._lock = threading.Condition()
        self._watch = PodWatch(kubectl, name, run_dir / "hand.log")
        roles = [f"--role={role}={mark}" for role, mark in marks.items()]
        command = ("exec", name, "-c", HAND, "--", "python", "-m", "harness.hand", "observe", *roles)
        with (run_dir / "hand.log").open("ab") as log:
            self._seeing = kubectl.start(*command, stdout=subprocess.PIPE, log=log)
        assert self._seeing.stdout is not None  # noqa: S101 - a pipe was asked for; for the type checker
        threading.Thread(target=self._read, args=(self._seeing.stdout,), name=f"sightings-{name}", daemon=True).start()

    def first(self, role: str, patience: Patience) -> PodProcess:
        """Wait until a container's process is seen; gives it.

        Raises:
            ProcessError: it is not seen in time.
        """
        try:
            patience.until(lambda: role in self._begun, within=_SEEN_SECONDS, what=f"the {role} is seen in its pod")
        except WaitedTooLongError as problem:
            raise ProcessError(f"{problem}; see hand.log") from problem
        return PodProcess(role, self, self._begun[role], self.run_dir / f"{role}.log")

    def on_end(self, role: str, pid: int, tell: Callable[[float], None]) -> None:
        """Have the end of a process told, with its moment on our clock; at once where it has ended."""
        with self._lock:
            if (early := self._early_ends.get((role, pid))) is None:
                self._ends.setdefault((role, pid), []).append(tell)
                return
        tell(early)

    def delete(self, *, at_once: bool = False) -> None:
        """Have the pod deleted; returns when the API server knows.

        Raises:
            KubectlError: it refused.
        """
        grace = ("--grace-period=0", "--force") if at_once else ()
        self._kubectl.run("delete", "pod", self.name, "--wait=false", "--ignore-not-found", *grace)

    def how_it_ended(self, role: str) -> tuple[int, str]:
        """Wait for the kubelet's word on a container that has ended; gives its exit code and the reason.

        While a pod ends, the kubelet says nothing of its containers until the last of them, the hand, has ended too.

        Raises:
            WaitedTooLongError: it says nothing of it in time.
        """
        wait_until(
            lambda: self._watch.terminated(role) is not None,
            within=_STATUS_SECONDS,
            what=f"the kubelet says how the {role} ended",
        )
        found = self._watch.terminated(role) or {}
        return int(found["exitCode"]), str(found.get("reason", ""))

    def fetch_log(self, role: str) -> None:
        """Bring what a container printed so far into its log file; nothing where it cannot be had."""
        try:
            said = self._kubectl.run("logs", self.name, "-c", role, f"--limit-bytes={started.LOG_BYTES_MAX}")
        except KubectlError:
            return
        (self.run_dir / f"{role}.log").write_text(said, encoding="utf-8")

    @property
    def is_seen(self) -> bool:
        """Whether what happens in it is still told."""
        return self._seeing.poll() is None and self.hand.alive

    def close(self) -> None:
        """Look no more."""
        self._seeing.kill()
        self._seeing.wait()
        self._watch.close()
        self.hand.close()

    def _read(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._read_one(line)

    def _read_one(self, line: bytes) -> None:
        try:
            seen = json.loads(line)
            seen["t"] = self._clock.here(seen["t"])
            self._take(seen.pop("saw"), seen)
        except (ValueError, KeyError, TypeError) as problem:
            self.problem = f"the hand in {self.name} said what nobody understands: {line[:200]!r} ({problem!r})"

    def _take(self, saw: str, seen: dict[str, Any]) -> None:
        if saw == "cost":
            self._recorder.sample(ResourceSample(**seen))
        elif saw == "member":
            if seen["role"] == "bridge":
                self._recorder.event("member", seen.pop("t"), **seen.pop("member"), **seen)
        elif saw == "started":
            self._begun.setdefault(seen["role"], Begun(seen["pid"], seen["create_time"], seen["t"]))
        else:
            key = seen["role"], seen["pid"]
            with self._lock:
                self._early_ends[key] = seen["t"]
                told = self._ends.pop(key, [])
            for tell in told:
                tell(seen["t"])


class PodProcess(Watched):
    """The first process of a container of the pod; see `harness.started.Started`. Its pid is the pod's own.

    Args:
        role: as the container is called.
        pod: where it runs.
        begun: as it was first seen.
        log: the file for its output, which is fetched when it has ended or when it is asked for.
    """

    cgroup: Cgroup | None = None
    """What it costs is sampled in the pod."""

    def __init__(self, role: str, pod: TrainingPod, begun: Begun, log: Path) -> None:
        super().__init__()
        self.role = role
        self.pid = begun.pid
        self.create_time = begun.create_time
        self.began = begun.t
        self.mark = pod.marks[role]
        self.log = log
        self._pod = pod
        self._is_over = False
        """Its end was seen; how it ended is known a little later."""

    def watch(self, on_exit: Callable[[Exit], None]) -> None:
        """Have its end told."""

        def ended(t: float) -> None:
            self._is_over = True
            threading.Thread(target=self._end, args=(t, on_exit), name=f"{self.role}-{self.pid}", daemon=True).start()

        self._pod.on_end(self.role, self.pid, ended)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; the bridge's SIGTERM is the pod's deletion, which is how it comes in a cluster."""
        if self._is_over:
            return False
        try:
            if self.role == "bridge" and number == signal.SIGTERM:
                self._pod.delete()
                return True
            return bool(self._pod.hand.ask("signal", {"pid": self.pid, "signal": number.name})["there"])
        except (ControlError, KubectlError):
            return False

    def kill(self) -> Exit:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        return self._reaped()

    def stop(self, seconds: float = STOP_SECONDS) -> Exit:
        """SIGTERM, wait so long, SIGKILL."""
        self.signal(signal.SIGTERM)
        if self.wait(seconds) is None:
            self.signal(signal.SIGKILL)
        return self._reaped()

    def last_lines(self, count: int = 3) -> str:
        """What it printed last, on one line."""
        self._pod.fetch_log(self.role)
        return started.last_lines(self.log, count)

    def bound_log(self) -> None:
        """It is bounded when it is fetched."""

    def close(self) -> None:
        """Nothing is held."""

    def _reaped(self) -> Exit:
        if (ended := self.wait(_KILLED_SECONDS)) is None:
            raise ProcessError(f"the {self.role} in the pod {self._pod.name} outlived SIGKILL by {_KILLED_SECONDS:g} s")
        return ended

    def _end(self, t: float, on_exit: Callable[[Exit], None]) -> None:
        try:
            code, reason = self._pod.how_it_ended(self.role)
        except WaitedTooLongError as problem:
            self._pod.problem = f"nobody knows how the {self.role} ended: {problem}"
            code, reason = _UNKNOWN_CODE, ""
        memory = None
        if reason == "OOMKilled":
            memory = OutOfMemory(self._pod.memory_limits_bytes.get(self.role), None)
        self._pod.fetch_log(self.role)
        self._tell(Exit(t, _SHELL_BASE - code if _SHELL_BASE < code < _UNKNOWN_CODE else code, memory), on_exit)

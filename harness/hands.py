"""The harness's end of its hands in pods: what is asked of them, and files of a pod as faults know files."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from harness import clocks
from harness.clocks import Clock, Reading
from harness.control import ASK_SECONDS, Control, ControlError
from harness.faults.http2_probe import PLAIN, Greeting, Probe
from harness.kubectl import Kubectl

READY_SECONDS = 30.0
"""To start a Python process in a pod, on a machine that is busy."""
_END_SECONDS = 5.0
_FILE_SECONDS = 30.0
"""For the largest file, a recording of minutes."""


class Hand:
    """A hand in one container, held by one ``kubectl exec``.

    Args:
        kubectl: in the pod's namespace.
        pod: its name.
        container: where the hand stays.
        log: for what it and kubectl say.

    Raises:
        KubectlError: it cannot be started.
        ControlError: it does not come up.
    """

    def __init__(self, kubectl: Kubectl, pod: str, container: str, log: Path) -> None:
        self._who = f"hand in {pod}"
        with log.open("ab") as said:
            command = ("exec", "-i", pod, "-c", container, "--", "python", "-m", "harness.hand", "obey")
            self._process, channel = kubectl.talk(*command, log=said)
        self._control = Control(channel, self._who)
        try:
            self._control.ready(READY_SECONDS)
        except ControlError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether kubectl still holds it."""
        return self._process.poll() is None

    def ask(self, do: str, given: Mapping[str, object] | None = None, *, within: float = ASK_SECONDS) -> dict[str, Any]:
        """Have it do something; gives what it found.

        Raises:
            ControlError: it refused, or does not answer.
        """
        return self._control.ask(do, given, within=within)

    def clock(self) -> Clock:
        """Measure the clocks of its machine against ours.

        Raises:
            ControlError: it does not answer.
        """
        return clocks.measured(lambda: Reading(**self.ask("clock")))

    def greet(self, host: str, port: int, greeting: Greeting = PLAIN, *, within: float) -> Probe:
        """Greet a port from in there; see `harness.faults.http2_probe.probe`.

        Raises:
            ControlError: it does not answer.
        """
        asked = {"host": host, "port": port, "greeting": asdict(greeting), "within": within}
        return Probe(**self.ask("greet", asked, within=within + ASK_SECONDS))

    def close(self) -> None:
        """Let go of it."""
        self._control.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)


class ObserverInPod:
    """A sink or a relay that a hand started beside itself, asked as `harness.control.Control` asks.

    Args:
        hand: it.
        role: sink or relay.
        arguments: of the program.
    """

    def __init__(self, hand: Hand, role: str, *arguments: str) -> None:
        self._hand = hand
        self._role = role
        self.ready: Mapping[str, Any] = hand.ask("start", {"role": role, "arguments": arguments}, within=READY_SECONDS)

    def ask(self, do: str) -> dict[str, Any]:
        """Give one command; gives the state after it.

        Raises:
            ControlError: it refused, or does not answer.
        """
        return self._hand.ask("ask", {"role": self._role, "do": do, "with": {}})


class PodFile:
    """A file that a hand reaches: see `harness.places.FilePlace`. What goes wrong on the way is an OSError too.

    Args:
        hand: gives it; asked at each use, because the pod may not be there yet.
        path: in its container.
    """

    def __init__(self, hand: Callable[[], Hand], path: str) -> None:
        self._hand = hand
        self._path = path

    def __str__(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        """Without its folder."""
        return self._path.rpartition("/")[2]

    def __truediv__(self, name: str) -> Self:
        return type(self)(self._hand, f"{self._path}/{name}")

    def with_name(self, name: str) -> Self:
        """Another one in the same folder."""
        return type(self)(self._hand, f"{self._path.rpartition('/')[0]}/{name}")

    def stat(self) -> os.stat_result:
        """What its system says of it."""
        return self._stat(follow=True)

    def lstat(self) -> os.stat_result:
        """As stat, of a link itself."""
        return self._stat(follow=False)

    def read_bytes(self) -> bytes:
        """All that it holds."""
        data = self._ask("read")["data"]
        if data is None:
            raise FileNotFoundError(self._path)
        return base64.b64decode(data)

    def write_bytes(self, data: bytes) -> int:
        """Let it hold this."""
        return int(self._ask("write", data=base64.b64encode(data).decode())["bytes"])

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it."""
        if not missing_ok:
            self.lstat()
        self._ask("unlink")

    def replace(self, target: Self) -> None:
        """Rename it over another one."""
        self._ask("replace", target=str(target))

    def _stat(self, *, follow: bool) -> os.stat_result:
        found = self._ask("stat", follow=follow)
        if found["stat"] is None:
            raise FileNotFoundError(self._path)
        # With nanoseconds, as os.stat makes it itself: the fields behind the ten are floats and then whole numbers.
        seconds = [one / 1e9 for one in found["ns"]]
        return os.stat_result((*found["stat"], *seconds, *found["ns"]))

    def _ask(self, do: str, **arguments: object) -> dict[str, Any]:
        try:
            return self._hand().ask(do, {"path": self._path, **arguments}, within=_FILE_SECONDS)
        except ControlError as problem:
            raise OSError(str(problem)) from problem

"""The harness's hand inside a pod: does to files and processes there what it is told, and says what it sees of them.

``python -m harness.hand stay``       the container's own process: lives until it is let go, whatever signal comes
``python -m harness.hand obey``       commands on stdin, answers on stdout (`harness.control`), until stdin ends
``python -m harness.hand observe --role ROLE=MARK ...``  what is seen of processes, as lines of `harness.sightings`

The last two are started by ``kubectl exec``. All times are this machine's CLOCK_MONOTONIC in seconds.
"""

from __future__ import annotations

import argparse
import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from harness import clocks, control
from harness.child_environment import child_environment
from harness.control import Control, ControlError

LET_GO = Path("/run/harness/let-go")
"""When this is there, the container's own process ends."""
_LOOK_SECONDS = 0.1
_OBSERVER_READY_SECONDS = 20.0


class Hand:
    """Carries out commands."""

    def __init__(self) -> None:
        self._observers: dict[str, Control] = {}
        self._commands: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "clock": self._clock,
            "read": self._read,
            "write": self._write,
            "replace": self._replace,
            "unlink": self._unlink,
            "stat": self._stat,
            "greet": self._greet,
            "canary": self._canary,
            "signal": self._signal,
            "start": self._start,
            "ask": self._ask,
        }

    def handle(self, do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one command; gives what it found.

        Raises:
            ValueError: no such command, or the system refused it.
        """
        if do not in self._commands:
            raise ValueError(f"no command {do!r}; there are: {', '.join(self._commands)}")
        return self._commands[do](arguments)

    def _clock(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"monotonic": time.monotonic(), "unix_seconds": time.time(), "boot": clocks.boot()}

    def _read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            with Path(given["path"]).open("rb") as file:
                file.seek(given.get("offset", 0))
                return {"data": base64.b64encode(file.read()).decode()}
        except FileNotFoundError:
            return {"data": None}

    def _write(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"bytes": Path(given["path"]).write_bytes(base64.b64decode(given["data"]))}

    def _replace(self, given: Mapping[str, Any]) -> dict[str, Any]:
        Path(given["path"]).replace(given["target"])
        return {}

    def _unlink(self, given: Mapping[str, Any]) -> dict[str, Any]:
        Path(given["path"]).unlink(missing_ok=True)
        return {}

    def _stat(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            found = Path(given["path"]).stat(follow_symlinks=given["follow"])
        except FileNotFoundError:
            return {"stat": None}
        # The ten of which an os.stat_result is made, and the times in nanoseconds, which those leave out.
        return {"stat": list(found)[:10], "ns": [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]}

    def _greet(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from harness.faults.http2_probe import Greeting, probe  # noqa: PLC0415 - it brings much that few commands need

        met = probe(given["host"], given["port"], Greeting(**given["greeting"]), within=given["within"])
        return {"end": met.end, "seconds": met.seconds, "received_bytes": met.received_bytes}

    def _canary(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from harness import canary  # noqa: PLC0415 - as above
        from harness.faults.http2_probe import Dialled  # noqa: PLC0415 - as above

        door = Dialled()
        door.host, door.port = given["host"], given["port"]
        seen = canary.send(door)
        return {"ok": seen.ok, "evidence": seen.evidence}

    def _signal(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            os.kill(given["pid"], signal.Signals[given["signal"]])
        except ProcessLookupError:
            return {"there": False}
        return {"there": True}

    def _start(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Start a sink or a relay beside this process; it ends when this one does."""
        ours, theirs = socket.socketpair()
        module = f"harness.observers.{given['role']}"
        command = [sys.executable, "-m", module, *given["arguments"], "--control-fd", str(theirs.fileno())]
        with theirs:
            subprocess.Popen(  # noqa: S603 - a program of ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                env=child_environment({}),
                pass_fds=(theirs.fileno(),),
            )
        observer = self._observers[given["role"]] = Control(ours, given["role"])
        return observer.ready(_OBSERVER_READY_SECONDS)

    def _ask(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return self._observers[given["role"]].ask(given["do"], given["with"])


def obey(lines: BinaryIO, answers: BinaryIO) -> None:
    """Carry out one command after the other until there are no more."""
    hand = Hand()

    def handle(do: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return hand.handle(do, arguments)
        except ControlError as problem:
            raise ValueError(str(problem)) from problem

    answers.write(b'{"ready": {}}\n')
    answers.flush()
    for line in lines:
        answers.write(control.answer(line, handle))
        answers.flush()


def stay(let_go: Path = LET_GO, say: Callable[[str], object] = sys.stderr.write) -> None:
    """Live until the file is there. A deleted pod tells its containers to end; this one is still needed then."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    say("here until it is let go\n")
    while not let_go.exists():
        over.wait(_LOOK_SECONDS)


def main(arguments: list[str] | None = None) -> int:
    """Be one of the three."""
    parser = argparse.ArgumentParser(prog="python -m harness.hand")
    parser.add_argument("part", choices=("stay", "obey", "observe"))
    parser.add_argument("--role", action="append", default=[], metavar="ROLE=MARK", help="observe: whom")
    chosen = parser.parse_args(arguments)
    if chosen.part == "stay":
        stay()
    elif chosen.part == "obey":
        obey(sys.stdin.buffer, sys.stdout.buffer)
    else:
        from harness import sightings  # noqa: PLC0415 - only this part needs it; the first one stays for the whole run

        roles = dict(pair.split("=", maxsplit=1) for pair in chosen.role)
        sightings.observe(roles, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

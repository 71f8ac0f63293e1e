"""Commands to another process of ours: JSON lines over a socket pair, each answered with the state that resulted.

That process inherits its end as a file descriptor: no port, no path, no stranger; and when the harness dies it reads
the end of the stream and goes.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

ASK_SECONDS = 5.0


class ControlError(Exception):
    """The other process did not answer, or refused the command."""


class Control:
    """The harness's end. Safe to use from several threads.

    Args:
        channel: a connected stream socket.
        who: the other process' role, for sentences.
    """

    def __init__(self, channel: socket.socket, who: str) -> None:
        self._channel = channel
        self._who = who
        self._lock = threading.Lock()
        self._buffer = b""
        self._number = 0

    def ready(self, within: float) -> dict[str, Any]:
        """What the other process says of itself once it serves.

        Raises:
            ControlError: it says nothing within so many seconds, or ended.
        """
        with self._lock:
            return dict(self._line(time.monotonic() + within)["ready"])

    def ask(
        self, do: str, arguments: Mapping[str, object] | None = None, *, within: float = ASK_SECONDS
    ) -> dict[str, Any]:
        """Send one command; gives the other process' state after it.

        Raises:
            ControlError: no answer within so many seconds, the other process ended, or it refused.
        """
        with self._lock:
            self._number += 1
            deadline = time.monotonic() + within
            command = {"number": self._number, "do": do, "with": arguments or {}}
            try:
                self._channel.settimeout(within)
                self._channel.sendall(json.dumps(command).encode() + b"\n")
            except OSError as problem:
                raise ControlError(f"the {self._who} cannot be told to {do}: {problem}") from problem
            # An answer that came too late for an earlier command is passed over.
            while (answer := self._line(deadline)).get("number") != self._number:
                continue
        if "error" in answer:
            raise ControlError(f"the {self._who} refused to {do}: {answer['error']}")
        return dict(answer["state"])

    def close(self) -> None:
        """Close the channel: the other process ends."""
        self._channel.close()

    def _line(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            try:
                self._channel.settimeout(max(0.001, deadline - time.monotonic()))
                received = self._channel.recv(65536)
            except TimeoutError:
                raise ControlError(f"the {self._who} did not answer in time") from None
            except OSError as problem:
                raise ControlError(f"the {self._who} is out of reach: {problem}") from problem
            if not received:
                raise ControlError(f"the {self._who} has ended")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))


def announce(channel: socket.socket, **facts: object) -> None:
    """In the other process: say that it serves, and where."""
    channel.sendall(json.dumps({"ready": facts}).encode() + b"\n")


def answer(line: bytes, handle: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> bytes:
    """In the other process: carry out one command line; gives the line to answer. A failure is an answer too."""
    number = None
    try:
        command = json.loads(line)
        number = command["number"]
        said: dict[str, Any] = {"state": handle(command["do"], command["with"])}
    except (ValueError, KeyError, TypeError, OSError) as problem:
        said = {"error": f"{type(problem).__name__}: {problem}"}
    return json.dumps({"number": number, **said}).encode() + b"\n"

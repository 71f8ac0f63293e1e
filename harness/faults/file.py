"""Harm to the metrics file itself. The job is paused meanwhile: its next write would mend the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

from harness.faults.contract import FaultError, Ground, Seen
from harness.job_control import JobError
from harness.scenario import Strict
from harness.waiting import WaitedTooLongError


class NoParameters(Strict):
    """The fault takes no parameters."""


class OnQuietFile:
    """What faults of the file share: the job is paused before and resumed after."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._path = ground.metrics_file

    def _pause(self) -> None:
        try:
            self._ground.job.pause(True)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be paused: {problem}") from problem

    def heal(self) -> str:
        """Let the job write again: its next write brings a good file."""
        if not self._ground.job.alive:
            return "the job has ended: nobody writes the file again"
        try:
            self._ground.job.pause(False)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be resumed: {problem}") from problem
        return "the job writes again"


class FileMissing(OnQuietFile):
    """The file is not there."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        super().__init__(ground)

    def inject(self) -> str:
        """Pause the job and remove the file."""
        self._pause()
        self._path.unlink(missing_ok=True)
        return f"{self._path.name} was removed"

    def verify(self) -> Seen:
        """Look for the file."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return Seen(ok=True, evidence=f"there is no {self._path.name}")
        return Seen(ok=False, evidence=f"{self._path.name} is there, with {found.st_size} bytes")


DEEP_LEVELS = 50_000
"""More than any reader's stack has, and small enough not to be refused for its size."""
CONTENTS: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "not-json": lambda _: b"epoch 5 of 100, loss 0.342\n",
    "empty": lambda _: b"",
    "blank": lambda _: b" \n\n",
    "not-an-object": lambda _: b"[1, 2, 3]\n",
    "invalid-utf8": lambda _: b'{"training_metrics": {"training_loss": "\xff\xfe"}}\n',
    "nul-bytes": lambda whole: bytes(len(whole)),
    "two-documents": lambda whole: whole + whole,
    "deep": lambda _: b'{"training_metrics": ' + b"[" * DEEP_LEVELS + b"]" * DEEP_LEVELS + b"}",
}


class Malformed(Strict):
    """Parameters of `FileMalformed`."""

    content: Literal[
        "truncated",
        "not-json",
        "empty",
        "blank",
        "not-an-object",
        "invalid-utf8",
        "nul-bytes",
        "two-documents",
        "deep",
    ] = "truncated"


class FileMalformed(OnQuietFile):
    """The file is there and holds no metrics."""

    def __init__(self, ground: Ground, parameters: Malformed) -> None:
        super().__init__(ground)
        self._content = parameters.content
        self._wanted: bytes | None = None

    def inject(self) -> str:
        """Pause the job and put the bad content in the file's place."""
        self._pause()
        try:
            whole = self._path.read_bytes()
        except OSError as problem:
            raise FaultError(f"there is no good file to make a bad one of: {problem}") from problem
        self._wanted = CONTENTS[self._content](whole)
        unfinished = self._path.with_name(self._path.name + ".fault")
        unfinished.write_bytes(self._wanted)
        unfinished.replace(self._path)
        return f"{self._path.name} holds {len(self._wanted)} bytes ({self._content})"

    def verify(self) -> Seen:
        """Read the file: it holds the bytes that were wanted, and they are no JSON object."""
        try:
            found = self._path.read_bytes()
        except OSError as problem:
            return Seen(ok=False, evidence=f"{self._path.name} cannot be read: {problem}")
        if found != self._wanted:
            return Seen(ok=False, evidence=f"{self._path.name} holds {len(found)} bytes that the fault did not write")
        if is_json_object(found):
            return Seen(ok=False, evidence=f"{self._path.name} holds a whole JSON object")
        return Seen(ok=True, evidence=f"{self._path.name} holds {len(found)} bytes that are no JSON object")


def is_json_object(data: bytes) -> bool:
    """Whether a strict reader finds one whole JSON object in these bytes."""
    try:
        return isinstance(json.loads(data.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False

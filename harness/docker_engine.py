"""Docker's one room: its command-line client, each call bounded in time, its errors as sentences."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 20.0
"""For a question; an idle engine answers in 0.05 s."""
CHANGE_SECONDS = 90.0
"""For what makes or removes something, on a machine that is busy with other runs."""
GET = "install Docker Engine with its compose plugin (docs.docker.com/engine/install)"
_SENTENCE_CHARACTERS_MAX = 300


class DockerError(Exception):
    """The client is not there, the engine does not answer, or it refused; says what it said."""


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What the engine says of a container at a moment."""

    id: str
    image_id: str
    """The id of the image that it was made from: a name may mean another one tomorrow."""
    running: bool
    pid: int
    """Of its first process, on the engine's machine; 0: it does not run."""
    exit_code: int
    out_of_memory: bool
    """The engine heard of a kill by the memory limit."""
    started_at: str
    """Its last start, as the engine's wall clock has it; only to tell one start from another."""
    error: str
    addresses: Mapping[str, str]
    """Its address in each of its networks, by the network's name."""
    memory_limit_bytes: int | None


class DockerEngine:
    """The engine that the client speaks to.

    Args:
        program: the client's name on PATH, or its file.
    """

    def __init__(self, program: str = "docker") -> None:
        self.program = program

    def lacking(self) -> str | None:
        """Say in one sentence what hinders all use of it, and what mends that; None: nothing does."""
        if shutil.which(self.program) is None:
            return f"{self.program!r} is not on PATH: {GET}"
        try:
            kernel = self.ask("version", "--format", "{{.Server.KernelVersion}}")
        except DockerError as problem:
            return f"the Docker engine does not answer ({problem}): start it, or let this user reach it"
        try:
            self.ask("compose", "version", "--short")
        except DockerError:
            return f"the client has no compose plugin: {GET}"
        if kernel != os.uname().release:
            return (
                "the Docker engine runs on another machine than the harness, which measures processes: use one for both"
            )
        return None

    def versions(self) -> tuple[str, ...]:
        """Engine and compose plugin, for people.

        Raises:
            DockerError: they do not answer.
        """
        engine = self.ask("version", "--format", "{{.Server.Version}} (client {{.Client.Version}})")
        return f"Docker {engine}", f"docker compose {self.ask('compose', 'version', '--short')}"

    def image_id(self, name: str) -> str | None:
        """Return the id of an image that is here; None: it is not.

        Raises:
            DockerError: the engine does not answer.
        """
        try:
            return self.ask("image", "inspect", "--format", "{{.Id}}", name)
        except DockerError as problem:
            if "no such image" in str(problem).lower():
                return None
            raise

    def state(self, container: str) -> ContainerState:
        """Look at a container.

        Raises:
            DockerError: there is none of that name.
        """
        try:
            (found,) = json.loads(self.ask("container", "inspect", container))
            return _state(found)
        except (ValueError, KeyError, TypeError) as problem:
            raise DockerError(f"the engine's answer about {container} is not understood: {problem}") from problem

    def send_signal(self, container: str, number: signal.Signals) -> bool:
        """Let the engine send a signal to a container's first process; False: it does not run."""
        try:
            self.ask("container", "kill", "--signal", number.name, container)
        except DockerError:
            return False
        return True

    def compose_config(self, file: Path) -> dict[str, Any]:
        """Return a compose file as compose understands it, all profiles included.

        Raises:
            DockerError: it has problems.
        """
        try:
            found = json.loads(self.ask("compose", "--file", str(file), "--profile", "*", "config", "--format", "json"))
        except ValueError as problem:
            raise DockerError(f"compose's answer about {file} is not understood: {problem}") from problem
        return dict(found)

    def ask(self, *arguments: str) -> str:
        """Ask something; gives the answer without its last line break.

        Raises:
            DockerError: there is no client, no answer in time, or a refusal.
        """
        return self._run(arguments, ANSWER_SECONDS)

    def change(self, *arguments: str) -> str:
        """Have something made, started or removed; gives what the client says.

        Raises:
            DockerError: as with `ask`.
        """
        return self._run(arguments, CHANGE_SECONDS)

    def _run(self, arguments: Sequence[str], seconds: float) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the client, with arguments of ours
                [self.program, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DockerError(f"docker {arguments[0]} did not end within {seconds:g} s") from None
        except OSError as problem:
            raise DockerError(f"{self.program!r} cannot be run: {problem.strerror}") from problem
        if done.returncode != 0:
            raise DockerError(_last_sentence(done.stderr) or f"docker {arguments[0]} ended with {done.returncode}")
        return done.stdout.rstrip("\n")


def _last_sentence(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1].removeprefix("Error response from daemon: ").removeprefix("Error: ") if lines else ""
    return last[:_SENTENCE_CHARACTERS_MAX].rstrip(".")


def _state(found: Mapping[str, Any]) -> ContainerState:
    state, networks = found["State"], found["NetworkSettings"]["Networks"] or {}
    return ContainerState(
        id=str(found["Id"]),
        image_id=str(found["Image"]),
        running=bool(state["Running"]),
        pid=int(state["Pid"]),
        exit_code=int(state["ExitCode"]),
        out_of_memory=bool(state["OOMKilled"]),
        started_at=str(state["StartedAt"]),
        error=str(state["Error"]),
        addresses={name: str(one["IPAddress"]) for name, one in networks.items() if one["IPAddress"]},
        memory_limit_bytes=int(found["HostConfig"]["Memory"]) or None,
    )

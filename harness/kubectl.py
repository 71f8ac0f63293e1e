"""kubectl's one room: every command bounded, every refusal an error that says what kubectl said."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from typing import IO, Any

CALL_SECONDS = 30.0
"""An API server on a busy machine answers within a second or two."""
_TOLD_CHARACTERS_MAX = 400
PROGRAM = "kubectl"
GET = "get it from https://kubernetes.io/docs/tasks/tools/ and put it on PATH"


class KubectlError(Exception):
    """kubectl is missing, or did not do what it was told; says what it said."""


class Kubectl:
    """kubectl with the user's own configuration (KUBECONFIG, else ~/.kube/config), in one namespace.

    Args:
        namespace: where the commands apply; empty: that of the configuration.
    """

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace

    def run(self, *arguments: str, given: str | None = None, within: float = CALL_SECONDS) -> str:
        """Run one command to its end; gives what it printed.

        Args:
            arguments: without the program and the namespace.
            given: its input.
            within: seconds until it is given up.

        Raises:
            KubectlError: kubectl is not there, did not end in time, or ended with an error.
        """
        command = self.command(*arguments)
        try:
            done = subprocess.run(  # noqa: S603 - a program that was looked up
                command, input=given, capture_output=True, text=True, timeout=within, check=False
            )
        except subprocess.TimeoutExpired:
            raise KubectlError(f"`{_named(arguments)}` did not end within {within:g} s") from None
        except OSError as problem:
            raise KubectlError(f"`{_named(arguments)}` could not be run: {problem}") from problem
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing")[:_TOLD_CHARACTERS_MAX]
            raise KubectlError(f"`{_named(arguments)}` ended with code {done.returncode}: {said}")
        return done.stdout

    def get(self, *arguments: str, within: float = CALL_SECONDS) -> dict[str, Any]:
        """Run a command that answers in JSON.

        Raises:
            KubectlError: as `run`, or the answer is no object.
        """
        said = self.run(*arguments, "-o", "json", within=within)
        try:
            return dict(json.loads(said))
        except ValueError as problem:
            raise KubectlError(f"`{_named(arguments)}` answered no JSON: {problem}") from problem

    def apply(self, objects: Sequence[dict[str, Any]], *, within: float = CALL_SECONDS) -> None:
        """Apply objects.

        Raises:
            KubectlError: the API server refused one of them.
        """
        self.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}),
                 within=within)  # fmt: skip

    def talk(self, *arguments: str, log: IO[bytes]) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Start a command that is talked to; gives it and our end of its input and output.

        Args:
            arguments: without the program and the namespace.
            log: takes what it says on stderr.

        Raises:
            KubectlError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            return self.start(*arguments, stdin=theirs.fileno(), stdout=theirs.fileno(), log=log), ours

    def start(
        self, *arguments: str, stdout: IO[bytes] | int, log: IO[bytes], stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a command that goes on, in a process group of its own: an interrupt at the terminal is not for it.

        Raises:
            KubectlError: it cannot be started.
        """
        try:
            return subprocess.Popen(  # noqa: S603 - a program that was looked up
                self.command(*arguments),
                stdin=stdin,
                stdout=stdout,
                stderr=log,
                process_group=0,
            )
        except OSError as problem:
            raise KubectlError(f"`{_named(arguments)}` could not be started: {problem}") from problem

    def command(self, *arguments: str) -> list[str]:
        """The whole command line.

        Raises:
            KubectlError: kubectl is not there.
        """
        if (program := shutil.which(PROGRAM)) is None:
            raise KubectlError(f"there is no kubectl on PATH: {GET}")
        return [program, *((f"--namespace={self.namespace}",) if self.namespace else ()), *arguments]


def configuration() -> str:
    """Return where kubectl finds its cluster, for sentences."""
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def _named(arguments: Sequence[str]) -> str:
    return " ".join((PROGRAM, *arguments))[:_TOLD_CHARACTERS_MAX]

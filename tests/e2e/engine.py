"""Docker's own word on a container: what it is, how it ended, what it took of the machine."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from datetime import datetime
from typing import Any

COMMAND_SECONDS = 300
ABSENT = (
    "Docker is not here ({why}), so no container can be tested; `nox -s scenarios` runs the scenarios with Python"
    " alone, `nox -s local` with the real Collector, Toxiproxy and Prometheus as processes"
)
_SOCKET = "/var/run/docker.sock"
_ANSWER_SECONDS = 10


def missing() -> str | None:
    """One sentence on what hinders containers here, with what works without; None: nothing does."""
    if shutil.which("docker") is None:
        return ABSENT.format(why="no docker on PATH")
    for command, what in ((["info"], "its engine"), (["compose", "version"], "its compose plugin")):
        done = subprocess.run(["docker", *command], check=False, capture_output=True, text=True, timeout=60)  # noqa: S607
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing was said"]
            return ABSENT.format(why=f"{what} does not answer: {said[-1]}")
    return None


def docker(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
    """Run one docker command and give what it said on stdout."""
    done = subprocess.run(
        ["docker", *arguments],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=COMMAND_SECONDS,
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.strip()}"
    return done.stdout


def inspect(name: str) -> dict[str, Any]:
    """All that is known of a container or an image."""
    return json.loads(docker("inspect", name))[0]


@dataclass(frozen=True)
class Ending:
    """How a container is, or how it ended."""

    running: bool
    exit_code: int
    killed_for_memory: bool
    restarts: int
    started_at: str

    @classmethod
    def of(cls, container: str) -> Ending:
        state = (said := inspect(container))["State"]
        return cls(
            running=state["Running"],
            exit_code=state["ExitCode"],
            killed_for_memory=state["OOMKilled"],
            restarts=said["RestartCount"],
            started_at=state["StartedAt"],
        )


@dataclass(frozen=True)
class Figures:
    """What a container took, as the engine counts it. Cumulative but for the memory."""

    read_seconds: float
    cpu_seconds: float
    memory_bytes: int
    """As `docker stats` shows it: without the page cache that can be given back at once."""
    network_bytes: int


def figures(container: str) -> Figures:
    """Ask the engine for one sample. `docker stats` rounds; this is what it rounds."""
    said = _get(f"/containers/{container}/stats?stream=false&one-shot=true")
    memory = said["memory_stats"]
    cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return Figures(
        read_seconds=_unix_seconds(said["read"]),
        cpu_seconds=said["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=memory["usage"] - cache,
        network_bytes=sum(one["rx_bytes"] + one["tx_bytes"] for one in said["networks"].values()),
    )


def _unix_seconds(text: str) -> float:
    """Go's RFC 3339 with nanoseconds, which Python reads to microseconds only."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


class _Connection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def connect(self) -> None:
        host = os.environ.get("DOCKER_HOST", f"unix://{_SOCKET}")
        assert host.startswith("unix://"), f"the engine's figures are read over its unix socket, not over {host}"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(host.removeprefix("unix://"))


def _get(path: str) -> Any:  # noqa: ANN401 - the engine's JSON
    connection = _Connection("localhost", timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body.decode(errors='replace')}"
        return json.loads(body)
    finally:
        connection.close()

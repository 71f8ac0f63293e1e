"""The stack of docker-compose.yml, as the tests see it: compose's commands, the job's ledger, Prometheus' answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from harness.observers.prometheus import Found, Prometheus
from harness.waiting import wait_until
from tests.e2e.engine import Ending, docker

T = TypeVar("T")

FILE = "/shared/metrics/current.json"
LEDGER = "/shared/metrics/ledger.jsonl"


class Compose(Protocol):
    """What pytest-docker gives: compose with the files and the project of this run."""

    def execute(self, subcommand: str) -> bytes: ...


class Stack:
    """One project of compose that is up.

    Args:
        compose: runs its commands.
    """

    def __init__(self, compose: Compose) -> None:
        self._compose = compose

    def __call__(self, command: str) -> str:
        """Run one of compose's commands and give what it said."""
        return self._compose.execute(command).decode()

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        said = self(f"ps --all --quiet {service}").split()
        assert len(said) == 1, f"{service} has {len(said)} containers"
        return said[0]

    def ending(self, service: str) -> Ending:
        return Ending.of(self.container(service))

    def health(self, service: str) -> str:
        return docker("inspect", "--format", "{{.State.Health.Status}}", self.container(service)).strip()

    def log(self, service: str) -> list[str]:
        """All lines that a service has written."""
        return self(f"logs --no-log-prefix --no-color {service}").splitlines()

    def inside(self, service: str, *command: str, stdin: str | None = None) -> str:
        """Run a command in a service's container."""
        return docker("exec", "--interactive", self.container(service), *command, stdin=stdin)

    @contextlib.contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """Stop a service's process where it stands; its container goes on and takes commands."""
        self(f"kill --signal STOP {service}")
        try:
            yield
        finally:
            self(f"kill --signal CONT {service}")

    def away(self, *services: str) -> None:
        """Remove services' containers. How they end is not looked at, so what is slow to end is not waited for."""
        self(f"stop --timeout 2 {' '.join(services)}")
        self(f"rm --force {' '.join(services)}")

    def port(self, service: str, port: int) -> int:
        """Where a port of a service is on this machine; after a restart it is another one."""
        return int(self(f"port {service} {port}").strip().rpartition(":")[2])

    def prometheus(self, service: str = "prometheus") -> Prometheus:
        return Prometheus("127.0.0.1", self.port(service, 9090))

    def writes(self) -> dict[float, float]:
        """What the job has written so far: each loss, and when (unix time)."""
        lines = self.inside("job", "cat", LEDGER).splitlines()
        return dict(_writes(lines))

    def found(self, promql: str, *, within: float, service: str = "prometheus") -> list[Found]:
        """Ask Prometheus until it finds something."""
        return eventually(lambda: self.prometheus(service).query(promql), within=within, what=f"series for {promql}")

    def until_fresh(self, instance: str, *, within: float, service: str = "prometheus") -> None:
        """Wait until Prometheus has a loss that the job has only just written."""
        before = set(self.writes())

        def there() -> bool:
            found = self.prometheus(service).query(f'ml_training_loss{{instance="{instance}"}}')
            return any(one.samples and one.samples[-1][1] not in before for one in found)

        wait_until(there, within=within, every=0.25, what=f"a new loss of {instance} in {service}")

    def until_gone(self, promql: str, *, within: float) -> None:
        wait_until(
            lambda: not self.prometheus().query(promql), within=within, every=0.25, what=f"no series for {promql}"
        )


def _writes(lines: list[str]) -> list[tuple[float, float]]:
    entries = [json.loads(line) for line in lines]
    return [(entry["values"]["training_loss"], entry["t"]) for entry in entries if entry.get("kind") == "write"]


def eventually(look: Callable[[], T], *, within: float, what: str) -> T:
    """Look until there is something to see, and give it."""
    seen: list[T] = []

    def there() -> bool:
        seen[:] = [look()]
        return bool(seen[0])

    wait_until(there, within=within, every=0.25, what=what)
    return seen[0]

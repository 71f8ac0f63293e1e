"""The containers and the network of one run at the Docker engine: made, started, looked up, removed; nobody else's."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.containers import start_container
from harness.docker_engine import DockerEngine, DockerError
from harness.processes import ProcessError, Processes, Started, new_mark
from harness.rigs import sweep
from harness.rigs.compose_project import LABEL, Service, document
from harness.rigs.contract import RigError


class RunContainers:
    """Everything here is removed by `remove`, or by the keeper where the harness is killed before.

    Args:
        engine: Docker's room.
        processes: the run's.
        base: docker-compose.yml, as compose understands it.
        run_dir: for the compose file and the logs.

    Raises:
        RigError: the engine makes no network.
    """

    def __init__(self, engine: DockerEngine, processes: Processes, base: Mapping[str, Any], run_dir: Path) -> None:
        self._engine = engine
        self._processes = processes
        self._base = base
        self._run_dir = run_dir
        self._mark = new_mark()
        self.project = f"harness-{self._mark.replace('.', '-')}"
        self._services: dict[str, Service] = {}
        self._call_off = self._promise()
        try:
            # Internal: a bridge under test reaches nothing but this run.
            engine.change("network", "create", "--internal", "--label", f"{LABEL}={self._mark}", self.project)
            self.gateway = self._gateway()
        except DockerError as problem:
            self.remove()
            raise RigError(f"no network can be made: {problem}") from problem

    def create(self, *services: Service) -> None:
        """Make containers, without starting them.

        Raises:
            RigError: the engine or compose refuses; with what it said.
        """
        self._services |= {service.role: service for service in services}
        file = self._run_dir / "compose.json"
        try:
            made = document(
                self._base, list(self._services.values()), project=self.project, network=self.project, mark=self._mark
            )
            file.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
            self._see_the_images(made)
            roles = [service.role for service in services]
            # One after the other: where one cannot be made, no other one comes when all were removed.
            self._engine.change("compose", "--parallel", "1", "--file", str(file), "create", "--no-build", *roles)
        except KeyError as problem:
            raise RigError(
                f"docker-compose.yml has no service {problem}: the rig is made for the file beside it"
            ) from None
        except (DockerError, OSError) as problem:
            raise RigError(f"the containers cannot be made: {problem}") from problem

    def name(self, role: str) -> str:
        """A container's name at the engine."""
        return f"{self.project}-{role}"

    def start(self, role: str) -> Started:
        """Start a container, or start it again after its end; it is kept by the run's processes from then on.

        Raises:
            ProcessError: the engine cannot start it; with what it said.
        """
        t, process = start_container(self._engine, role, self.name(role), self._run_dir / f"{role}.log")
        self._processes.adopt(process, t, image_id=process.image_id)
        return process

    def address(self, role: str) -> str:
        """A running container's address, which this machine reaches too.

        Raises:
            RigError: it has none.
        """
        try:
            return self._engine.state(self.name(role)).addresses[self.project]
        except (DockerError, KeyError) as problem:
            raise RigError(f"the {role}'s container has no address in the run's network: {problem}") from problem

    def remove(self) -> None:
        """Remove all containers, then the network. What is not removed is left to the keeper."""
        with contextlib.suppress(DockerError):
            found = self._engine.ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}={self._mark}").split()
            if found:
                self._engine.change("rm", "--force", "--volumes", *found)
            if self.project in self._engine.ask("network", "ls", "--format", "{{.Name}}").split():
                self._engine.change("network", "rm", self.project)
            self._call_off()

    def _promise(self) -> Callable[[], None]:
        """Note what removes all of it before anything is made: the harness may be killed in between."""
        command = [
            sys.executable,
            "-I",
            "-S",
            sweep.__file__,
            self._engine.program,
            f"{LABEL}={self._mark}",
            self.project,
        ]
        try:
            return self._processes.after_death(command)
        except ProcessError as problem:
            raise RigError(str(problem)) from problem

    def _see_the_images(self, made: Mapping[str, Any]) -> None:
        for role, service in made["services"].items():
            if self._engine.image_id(service["image"]) is None:
                raise DockerError(f"there is no image {service['image']} for the {role}: build it, or pull it")

    def _gateway(self) -> str:
        """This machine's own address in the run's network."""
        said = self._engine.ask("network", "inspect", "--format", "{{json .IPAM.Config}}", self.project)
        try:
            return next(str(one["Gateway"]) for one in json.loads(said) if "." in one.get("Gateway", ""))
        except (ValueError, TypeError, StopIteration) as problem:
            raise DockerError(f"the network has no gateway: {said}") from problem

"""The compose rig: the images of docker-compose.yml as containers, under the limits and hardening that stand there.

Bridge -> Toxiproxy -> relay -> OpenTelemetry Collector -> recording sink, as on the local rig. Bridge, Toxiproxy,
Collector and Prometheus are containers in a network of the run's own; the job, the relay and the sink are processes of
this machine, which has an address in that network. docs/decisions/0016-containers-measured-from-outside.md says why.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.docker_engine import DockerEngine, DockerError
from harness.faults import Ground
from harness.jobs import Jobs
from harness.needs import needs_of
from harness.ports import HeldPort
from harness.provenance import SOURCE_TREE
from harness.rigs import bridge_image
from harness.rigs.ballast import Ballast
from harness.rigs.compose_project import Mount, Service
from harness.rigs.contract import RigError, Setting
from harness.rigs.embedded import Embedded
from harness.rigs.real_collector import DATA, configuration, until_serving, variables
from harness.rigs.real_programs import RealProgramsStanding
from harness.rigs.real_prometheus import RealPrometheus, arguments, write_configuration
from harness.rigs.run_containers import RunContainers
from harness.scenario import RUN_FOLDER, Need, RigName
from harness.started import ProcessError, Started
from harness.toxiproxy import CALL_SECONDS
from harness.waiting import Patience

COMPOSE_FILE = SOURCE_TREE / "docker-compose.yml"
BUILD = "build it with `docker compose build bridge`"
PULL = "get it with `docker compose --profile chaos pull`"
WITHOUT = "without it, --rig local runs scenarios with the same programs as processes, --rig embedded with Python alone"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container whose network is the run's own
_PORTS = {"OTLP": 4317, "HEALTH": 13133, "SCRAPE": 8889, "BALLAST": 4319}
"""Each container has ports of its own, so they can be the usual ones."""
_TOXIPROXY_API, _TOXIPROXY_OTLP, _PROMETHEUS = 8474, 4317, 9090
_CONFIGURATION = Path("/etc/otelcol-contrib")
_BALLAST_BYTES = 512 * 2**20
"""A Collector that a scenario fills is to refuse by its own limiter, and not to be killed by its container's limit."""
_NOBODY = "65534:65534"
"""Who Prometheus is in its image."""
_SHARED, _OWN = "/shared", "/run-folder"
"""Where the bridge finds the metrics volume, and the folder that ``{run}`` stands for."""
_SEEN_SECONDS = 30.0
"""For so long what the rig lacks is taken for what it lacked: a list of scenarios asks once for each."""


class ContainerCollector:
    """The Collector's container. Its address stays the same over a restart.

    Args:
        containers: has it.
    """

    def __init__(self, containers: RunContainers) -> None:
        self._containers = containers
        self.process: Started | None = None
        self.host = ""

    def start(self, patience: Patience) -> None:
        """Start it and wait until it says that it is ready.

        Raises:
            RigError: it ended, does not become ready, or came back at another address.
            ProcessError: it cannot be started.
        """
        self.process = self._containers.start("collector")
        before, self.host = self.host, self._containers.address("collector")
        if before and before != self.host:
            raise RigError(f"the Collector came back at {self.host} instead of {before}: the relay does not find it")
        until_serving(self.process, f"http://{self.host}:{_PORTS['HEALTH']}/", patience)


class ComposeStanding(RealProgramsStanding):
    """The compose rig of one run, up.

    Args:
        setting: what it was put up for.
        job_command: the job's program, before ``mock`` or ``train``.
        engine: Docker's room.
        base: docker-compose.yml, as compose understands it.
        call_seconds: a call to Toxiproxy is given up after so long without an answer.
    """

    _shared_folder = Path("volume", "metrics")
    _in_memory = False

    def __init__(
        self,
        setting: Setting,
        job_command: Sequence[str],
        engine: DockerEngine,
        base: Mapping[str, Any],
        call_seconds: float,
    ) -> None:
        self._nowhere: HeldPort | None = None
        self._containers = RunContainers(engine, setting.processes, base, setting.run_dir)
        self._own_host = self._containers.gateway
        (setting.run_dir / self._shared_folder.parent).mkdir(parents=True, exist_ok=True)
        super().__init__(setting, job_command, call_seconds)

    def _ground(self, metrics_file: Path, job: Jobs, sink_port: int) -> Ground:
        """Start everything between the bridge and the sink, from the sink's side on."""
        needed = needs_of(self._setting.scenario)
        asked, ballast = "prometheus" in needed, "collector-memory" in needed
        services = [self._collector_service(sink_port, with_ballast=ballast, with_back_end=asked), _toxiproxy_service()]
        services += [self._prometheus_service()] if asked else []
        self._containers.create(*services, self._bridge_service(metrics_file.name))
        collector = ContainerCollector(self._containers)
        if asked:
            process = self._start_container("prometheus")
            self._prometheus = RealPrometheus(self._run_dir, self._containers.address("prometheus"), _PROMETHEUS)
            self._prometheus.until_ready(process, self._setting.patience)
        self._start_collector(collector)
        if ballast:
            self._ballast = Ballast(_PORTS["BALLAST"], collector.host)
        return self._ground_before(f"{collector.host}:{_PORTS['OTLP']}", metrics_file, job)

    def check(self) -> None:
        """See that the rig's own processes still run, the Collector too unless the scenario ended it."""
        life = self._collector_life
        if life is not None and not life.meant_to_be_gone and life.process is not None:
            self._of_rig["collector"] = life.process
        super().check()

    def start_bridge(self, command: Sequence[str]) -> Started:
        """Start the bridge's container; later lives are the same container's. What runs in it was known before."""
        if tuple(command) != self._setting.bridge_command:
            raise ProcessError(f"the bridge's container was made for another command than {' '.join(command)}")
        return self._containers.start("bridge")

    def down(self) -> None:
        """Close channels, give the ports back, remove containers and network."""
        super().down()
        if self._nowhere is not None:
            self._nowhere.close()
        self._containers.remove()

    def _collector_service(self, sink_port: int, *, with_ballast: bool, with_back_end: bool) -> Service:
        self._nowhere = HeldPort(self._own_host)
        if with_ballast:
            self._nowhere.listen_and_say_nothing()
        environment = variables(
            _EVERYWHERE,
            _PORTS,
            sink=f"{self._own_host}:{sink_port}",
            prometheus=f"prometheus:{_PROMETHEUS}",
            nowhere=f"{self._own_host}:{self._nowhere.number}",
        )
        command = configuration(with_ballast=with_ballast, with_back_end=with_back_end, folder=_CONFIGURATION)
        mounts = [Mount(str(DATA), str(_CONFIGURATION))]
        memory_bytes = _BALLAST_BYTES if with_ballast else None
        return Service(
            "collector",
            "collector",
            environment,
            mounts,
            command=command,
            memory_bytes=memory_bytes,
            user=_own_user(),
        )

    def _prometheus_service(self) -> Service:
        config = write_configuration(self._run_dir, f"collector:{_PORTS['SCRAPE']}")
        mounts = [Mount(str(config), "/etc/prometheus/prometheus.yml")]
        command = arguments("/etc/prometheus/prometheus.yml", "/prometheus", f"{_EVERYWHERE}:{_PROMETHEUS}")
        # The folder's own mode is put on what is mounted there, so the owner has to be right.
        uid, gid = (_own_user() or _NOBODY).split(":")
        tmpfs = (f"/prometheus:uid={uid},gid={gid}",)
        return Service("prometheus", "prometheus", {}, mounts, tmpfs, command=command, user=_own_user())

    def _bridge_service(self, metrics_name: str) -> Service:
        """The bridge with the contract's variables and the scenario's, and its memory limit where it has one."""
        bridge, what = self._setting.scenario.bridge, bridge_image.parse(self._setting.bridge_command)
        metrics_file = f"{_SHARED}/metrics/{metrics_name}"
        own = self._run_dir / "bridge"
        own.mkdir(exist_ok=True)
        own.chmod(0o777)  # the image's user is none of this machine's
        return Service(
            "bridge",
            "bridge",
            {
                **self._contract(f"http://toxiproxy:{_TOXIPROXY_OTLP}", metrics_file),
                **{name: value.replace(RUN_FOLDER, _OWN) for name, value in bridge.env.items()},
            },
            [Mount(str(self._run_dir / self._shared_folder.parent), _SHARED), Mount(str(own), _OWN, read_only=False)],
            image=what.image,
            entrypoint=what.entrypoint,
            command=what.arguments,
            memory_bytes=bridge.memory_limit,
            user=_own_user(),
        )  # fmt: skip

    def _start_toxiproxy(self) -> tuple[Started, str, int, int]:
        process = self._start_container("toxiproxy")
        return process, self._containers.address("toxiproxy"), _TOXIPROXY_API, _TOXIPROXY_OTLP

    def _start_container(self, role: str) -> Started:
        self._of_rig[role] = process = self._containers.start(role)
        return process


def _toxiproxy_service() -> Service:
    command = [f"-host={_EVERYWHERE}", f"-port={_TOXIPROXY_API}"]
    return Service("toxiproxy", "toxiproxy", {"LOG_LEVEL": "info"}, command=command, user=_own_user())


def _own_user() -> str | None:
    """Who is not root signals and measures only what is their own; None: the image's own user."""
    return None if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


class Compose(Embedded):
    """The rig of containers.

    Args:
        job_command: the job's program, before ``mock`` or ``train``.
        engine: Docker's room.
        file: the compose file whose services run.
        call_seconds: a call to Toxiproxy is given up after so long without an answer.
    """

    name: RigName = "compose"
    offers: frozenset[Need] = frozenset(
        {"toxiproxy", "collector-memory", "prometheus", "own-processes", "local-files", "memory-limit"}
    )
    bridge_command: tuple[str, ...] = (f"image:{bridge_image.IMAGE}",)

    def __init__(
        self,
        job_command: Sequence[str] | None = None,
        engine: DockerEngine | None = None,
        file: Path = COMPOSE_FILE,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        super().__init__(*() if job_command is None else (job_command,))
        self._engine = DockerEngine() if engine is None else engine
        self._file = file
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._seen: tuple[float, tuple[str, ...]] | None = None
        self._base: dict[str, Any] | None = None

    def lacking(self) -> tuple[str, ...]:
        """It needs the engine on this machine, docker-compose.yml, and its images."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._seen[0] > _SEEN_SECONDS:
                self._seen = time.monotonic(), (*super().lacking(), *self._lacking())
            return self._seen[1]

    def objection(self, command: Sequence[str]) -> str | None:
        """The image has to be here; what is in it is seen where it is started."""
        try:
            image = bridge_image.parse(command).image
            if image == bridge_image.IMAGE or self._engine.image_id(image):
                return None
        except RigError as problem:
            return str(problem)
        except DockerError:  # `lacking` says it
            return None
        return f"there is no image {image} here: build it, or pull it"

    def up(self, setting: Setting) -> ComposeStanding:
        """Make network and containers; start sink, Collector, Prometheus where it is asked for, relay and Toxiproxy."""
        return ComposeStanding(setting, self._job_command, self._engine, self._services(), self._call_seconds)

    def versions(self) -> tuple[str, ...]:
        """Engine, compose plugin and images, for people; nothing where the engine does not answer."""
        try:
            images = [f"{image} ({(self._engine.image_id(image) or '')[7:19]})" for image in self._images()]
            return (*self._engine.versions(), *images)
        except (DockerError, RigError):
            return ()

    def _lacking(self) -> tuple[str, ...]:
        if not self._file.exists():
            return (f"{self._file.name}, which is not installed with the package: run it from a checkout",)
        if problem := self._engine.lacking():
            return (f"{problem}; {WITHOUT}",)
        try:
            missing = [image for image in self._images() if self._engine.image_id(image) is None]
        except (DockerError, RigError) as problem:
            return (str(problem),)
        return tuple(f"the image {one}: {BUILD if one == bridge_image.IMAGE else PULL}" for one in missing)

    def _images(self) -> list[str]:
        services = self._services()["services"]
        try:
            return [bridge_image.IMAGE, *(services[name]["image"] for name in ("collector", "toxiproxy", "prometheus"))]
        except KeyError as problem:
            raise RigError(f"{self._file.name} has no service {problem} with an image") from None

    def _services(self) -> dict[str, Any]:
        if self._base is None:
            try:
                self._base = self._engine.compose_config(self._file)
            except DockerError as problem:
                raise RigError(f"{self._file.name} cannot be read: {problem}") from problem
        return self._base

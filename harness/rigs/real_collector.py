"""The real OpenTelemetry Collector of one run: its configuration, its ports, its process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import requests

from harness.faults import FaultError
from harness.lives import ProcessLife
from harness.ports import HOST, HeldPort
from harness.processes import Processes
from harness.rigs.contract import RigError
from harness.started import Started
from harness.waiting import Patience, WaitedTooLongError

DATA = Path(__file__).with_name("data")
READY_SECONDS = 20.0
LISTENS_ON = ("OTLP", "HEALTH", "SCRAPE", "BALLAST")
_HELD_PORTS = (*LISTENS_ON, "NOWHERE")
Start = Callable[[str, Sequence[str], Mapping[str, str]], Started]
"""Starts a program of the run: role, command, environment."""


def configuration(*, with_ballast: bool, with_back_end: bool, folder: Path = DATA) -> list[str]:
    """The Collector's arguments: its configuration and what is joined to it, in the folder where it finds them."""
    files = ["collector.yaml"]
    files += ["collector-ballast.yaml"] if with_ballast else []
    files += ["collector-back-end.yaml"] if with_back_end else []
    return [f"--config={folder / file}" for file in files]


def variables(
    listen_host: str, ports: Mapping[str, int], *, sink: str, prometheus: str | None, nowhere: str
) -> dict[str, str]:
    """The environment that the configuration asks for.

    Args:
        listen_host: the address that it listens on.
        ports: one for each of `LISTENS_ON`.
        sink: the recording sink behind it, as ``host:port``.
        prometheus: where Prometheus receives OTLP; None: nobody asks Prometheus.
        nowhere: where a connect succeeds, and nothing ever answers.
    """
    return {
        "LISTEN_HOST": listen_host,
        "SINK_ADDRESS": sink,
        "PROMETHEUS_ADDRESS": prometheus or f"{HOST}:1",
        "NOWHERE_ADDRESS": nowhere,
        **{f"{name}_PORT": str(ports[name]) for name in LISTENS_ON},
    }


def placeholders() -> dict[str, str]:
    """The environment that the configuration asks for, with ports that nobody listens on."""
    nobody = f"{HOST}:1"
    return variables(HOST, dict.fromkeys(LISTENS_ON, 1), sink=nobody, prometheus=nobody, nowhere=nobody)


class RealCollector:
    """Its ports stay the same over a restart.

    Args:
        program: the file to run.
        start: starts it.
        sink_port: the recording sink behind it.
        prometheus_port: where Prometheus receives OTLP; None: nobody asks Prometheus.
        with_ballast: whether a scenario fills its memory.
        new_port: gives a port of the system's choice.
    """

    def __init__(
        self,
        program: Path,
        start: Start,
        *,
        sink_port: int,
        prometheus_port: int | None,
        with_ballast: bool,
        new_port: Callable[[], HeldPort] = HeldPort,
    ) -> None:
        self._start = start
        self._held = {name: new_port() for name in _HELD_PORTS}
        given = configuration(with_ballast=with_ballast, with_back_end=prometheus_port is not None)
        self._command = [str(program), *given]
        ports = {name: port.number for name, port in self._held.items()}
        self._variables = variables(
            HOST,
            ports,
            sink=f"{HOST}:{sink_port}",
            prometheus=f"{HOST}:{prometheus_port}" if prometheus_port else None,
            nowhere=f"{HOST}:{ports['NOWHERE']}",
        )
        self._process: Started | None = None
        if with_ballast:
            self._held["NOWHERE"].listen_and_say_nothing()

    def port(self, name: str) -> int:
        """One of its ports: OTLP, HEALTH, SCRAPE, BALLAST."""
        return self._held[name].number

    @property
    def process(self) -> Started | None:
        """The one that was started last."""
        return self._process

    def start(self, patience: Patience) -> None:
        """Start it and wait until it says that it is ready.

        Raises:
            InterruptedRunError: the run was told to end.
            RigError: it ended, or does not become ready; with its last words.
            ProcessError: it cannot be started.
        """
        self._process = self._start("collector", self._command, self._variables)
        until_serving(self._process, f"http://{HOST}:{self.port('HEALTH')}/", patience)

    def close(self) -> None:
        """Give the ports back."""
        for port in self._held.values():
            port.close()


class Startable(Protocol):
    """A Collector that can be started again, wherever it runs."""

    @property
    def process(self) -> Started | None:
        """The one that was started last."""
        ...

    def start(self, patience: Patience) -> None:
        """Start it and wait until it says that it is ready. Raises as `RealCollector.start` does."""
        ...


class CollectorLife(ProcessLife):
    """See `harness.faults.contract.Life`."""

    def __init__(self, collector: Startable, processes: Processes) -> None:
        unbroken = Patience(threading.Event())  # it is started again as a heal, which nothing interrupts
        super().__init__("collector", processes, lambda: collector.process, lambda: collector.start(unbroken))

    def start(self) -> None:
        """Start it as before, and wait until it is ready."""
        try:
            super().start()
        except RigError as problem:
            raise FaultError(str(problem)) from problem


def until_serving(process: Started, url: str, patience: Patience, within: float = READY_SECONDS) -> None:
    """Wait until a program that was just started answers a GET with 200.

    Raises:
        RigError: it ended, or never answers; with its last words and what to do.
        InterruptedRunError: the run was told to end.
    """
    http = requests.Session()
    http.trust_env = False  # a proxy of the environment would be asked for loopback too

    def serves() -> bool:
        if process.exit is not None:
            return True
        try:
            return http.get(url, timeout=1.0).status_code == requests.codes.ok
        except requests.RequestException:
            return False

    try:
        patience.until(serves, within=within, what=f"the {process.role} answers on {url}", every=0.05)
    except WaitedTooLongError as problem:
        raise RigError(f"{problem}; {last_words(process)}") from problem
    if process.exit is not None:
        raise RigError(f"the {process.role} ended with code {process.exit.code} as it started; {last_words(process)}")


def last_words(process: Started) -> str:
    """What a program said last, and where the rest stands."""
    return f"it said: {process.last_lines(2) or 'nothing'}; see {process.log.name}"

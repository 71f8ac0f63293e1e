"""The local rig: the real programs as processes on loopback.

Bridge -> Toxiproxy -> relay -> OpenTelemetry Collector -> recording sink, by OTLP; and, where a scenario asks for it,
-> Prometheus, which scrapes the Collector and gets the same points by OTLP. The relay stands behind Toxiproxy, so that
the bridge meets Toxiproxy itself; it counts bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import programs
from harness.faults import Ground
from harness.jobs import Jobs
from harness.needs import needs_of
from harness.ports import HOST, HeldPort
from harness.programs import COLLECTOR, PROMETHEUS, TOXIPROXY, Program
from harness.rigs.ballast import Ballast
from harness.rigs.contract import RigError, Setting
from harness.rigs.embedded import Embedded
from harness.rigs.real_collector import RealCollector
from harness.rigs.real_programs import RealProgramsStanding
from harness.rigs.real_prometheus import RealPrometheus
from harness.scenario import Need, RigName
from harness.started import Started
from harness.toxiproxy import CALL_SECONDS

_PROGRAMS = (COLLECTOR, TOXIPROXY, PROMETHEUS)


class LocalStanding(RealProgramsStanding):
    """The local rig of one run, up.

    Args:
        setting: what it was put up for.
        job_command: the job's program, before ``mock`` or ``train``.
        folders: where the programs are looked for.
        new_port: gives a port of the system's choice.
        call_seconds: a call to Toxiproxy is given up after so long without an answer.
    """

    def __init__(
        self,
        setting: Setting,
        job_command: Sequence[str],
        folders: Sequence[Path],
        new_port: Callable[[], HeldPort],
        call_seconds: float,
    ) -> None:
        self._folders = folders
        self._new_port = new_port
        self._held: list[HeldPort] = []
        self._collector: RealCollector | None = None
        super().__init__(setting, job_command, call_seconds)

    def _ground(self, metrics_file: Path, job: Jobs, sink_port: int) -> Ground:
        """Start everything between the bridge and the sink, from the sink's side on."""
        needed = needs_of(self._setting.scenario)
        if "prometheus" in needed:
            self._find(PROMETHEUS)
            self._prometheus = RealPrometheus(self._run_dir, HOST, self._hold().number)
        self._collector = RealCollector(
            self._find(COLLECTOR),
            self._start_program,
            sink_port=sink_port,
            prometheus_port=self._prometheus.port if self._prometheus else None,
            with_ballast="collector-memory" in needed,
            new_port=self._hold,
        )
        self._start_collector(self._collector)
        if self._prometheus is not None:
            scraped = f"{HOST}:{self._collector.port('SCRAPE')}"
            command = self._prometheus.command(self._find(PROMETHEUS), scraped)
            process = self._start_program("prometheus", command, {})
            self._prometheus.until_ready(process, self._setting.patience)
        if "collector-memory" in needed:
            self._ballast = Ballast(self._collector.port("BALLAST"))
        return self._ground_before(f"{HOST}:{self._collector.port('OTLP')}", metrics_file, job)

    def down(self) -> None:
        """Close channels and what fills the Collector, give the ports back."""
        super().down()
        if self._prometheus is not None:
            self._prometheus.close()
        for port in self._held:
            port.close()

    def _start_toxiproxy(self) -> tuple[Started, str, int, int]:
        api, listen = self._hold(), self._hold()
        command = [str(self._find(TOXIPROXY)), "-host", HOST, "-port", str(api.number)]
        return self._start_program("toxiproxy", command, {"LOG_LEVEL": "info"}), HOST, api.number, listen.number

    def _start_program(self, role: str, command: Sequence[str], variables: Mapping[str, str]) -> Started:
        self._of_rig[role] = process = self._start(role, command, variables)
        return process

    def _find(self, program: Program) -> Path:
        found = programs.find(program, self._folders)
        if found is None:
            raise RigError("; ".join(programs.lacking((program,), self._folders)))
        return found

    def _hold(self) -> HeldPort:
        self._held.append(self._new_port())
        return self._held[-1]


class Local(Embedded):
    """The rig of the real programs.

    Args:
        job_command: the job's program, before ``mock`` or ``train``.
        folders: where the programs are looked for; by default PATH and what was built here.
        new_port: gives a port of the system's choice.
        call_seconds: a call to Toxiproxy is given up after so long without an answer.
    """

    name: RigName = "local"
    offers: frozenset[Need] = frozenset({"toxiproxy", "collector-memory", "prometheus", "own-processes", "local-files"})

    def __init__(
        self,
        job_command: Sequence[str] | None = None,
        folders: Sequence[Path] | None = None,
        new_port: Callable[[], HeldPort] = HeldPort,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        super().__init__(*() if job_command is None else (job_command,))
        self._folders = folders
        self._new_port = new_port
        self._call_seconds = call_seconds

    def lacking(self) -> tuple[str, ...]:
        """It needs the three programs."""
        return (*super().lacking(), *programs.lacking(_PROGRAMS, self._where()))

    def up(self, setting: Setting) -> LocalStanding:
        """Start sink, Collector, Prometheus where it is asked for, relay and Toxiproxy."""
        return LocalStanding(setting, self._job_command, self._where(), self._new_port, self._call_seconds)

    def _where(self) -> Sequence[Path]:
        return programs.folders() if self._folders is None else self._folders

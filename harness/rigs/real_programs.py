"""What the rigs of the real programs have in common, be those processes or containers of this machine.

Bridge -> Toxiproxy -> relay -> OpenTelemetry Collector -> recording sink; and, where a scenario asks for it,
Prometheus.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.faults import Ground
from harness.jobs import Jobs
from harness.rigs.ballast import Ballast
from harness.rigs.contract import RigError, Setting
from harness.rigs.embedded import EmbeddedStanding
from harness.rigs.real_collector import CollectorLife, Startable, last_words, until_serving
from harness.rigs.real_prometheus import RealPrometheus
from harness.rigs.toxiproxy_doors import ToxiproxyDoor
from harness.started import Started
from harness.toxiproxy import Toxiproxy, ToxiproxyError


class RealProgramsStanding(EmbeddedStanding):
    """A rig of the real programs of one run, up.

    Args:
        setting: what it was put up for.
        job_command: the job's program, before ``mock`` or ``train``.
        call_seconds: a call to Toxiproxy is given up after so long without an answer.
    """

    def __init__(self, setting: Setting, job_command: Sequence[str], call_seconds: float) -> None:
        self._call_seconds = call_seconds
        self._collector_life: CollectorLife | None = None
        self._ballast: Ballast | None = None
        self._prometheus: RealPrometheus | None = None
        super().__init__(setting, job_command)

    def ask_back_end(self) -> None:
        """Write down what Prometheus holds."""
        if self._prometheus is not None:
            self._prometheus.write_down(self._setting.patience)

    def down(self) -> None:
        """Close channels and what fills the Collector, give the ports back."""
        super().down()
        if self._ballast is not None:
            self._ballast.close()

    def _meant_to_be_gone(self) -> tuple[str, ...]:
        life = self._collector_life
        return (life.role,) if life is not None and life.meant_to_be_gone else ()

    def _start_collector(self, collector: Startable) -> None:
        collector.start(self._setting.patience)
        self._collector_life = CollectorLife(collector, self._setting.processes)

    def _ground_before(self, upstream: str, metrics_file: Path, job: Jobs) -> Ground:
        """Lay the way from the bridge to the Collector, whose OTLP receiver is the upstream."""
        relay, relay_port = self._start_relay(upstream)
        process, host, api_port, port = self._start_toxiproxy()
        until_serving(process, f"http://{host}:{api_port}/version", self._setting.patience)
        try:
            proxy = Toxiproxy(host, api_port, call_seconds=self._call_seconds).create(
                "collector", listen=f"{host}:{port}", upstream=f"{self._own_host}:{relay_port}"
            )
        except ToxiproxyError as problem:
            raise RigError(f"{problem}; {last_words(process)}") from problem
        door = ToxiproxyDoor(proxy, port, lambda: relay.ask("cut"), host)
        return Ground(
            metrics_file,
            job,
            door,
            self._setting.patience,
            network=door,
            collector_memory=self._ballast,
            collector_life=self._collector_life,
        )

    def _start_toxiproxy(self) -> tuple[Started, str, int, int]:
        """Start it; gives it, its address, the port of its API, and the port that the bridge is to dial."""
        raise NotImplementedError

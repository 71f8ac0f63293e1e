"""What a load step runs against, on loopback: Collectors, a Prometheus that scrapes them, Locust; and their cost."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import procfs, programs
from harness.child_environment import child_environment
from harness.observers.prometheus import Prometheus
from harness.ports import HOST, HeldPort
from harness.processes import Process, Processes
from harness.rigs.real_collector import until_serving
from harness.waiting import Patience

CONFIGURATION = Path(__file__).with_name("collector.yaml")
SCRAPE_SECONDS = 10
SAMPLE_SECONDS = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PROMETHEUS = """\
global: {{scrape_interval: {seconds}s, scrape_timeout: {seconds}s}}
scrape_configs:
  - job_name: collector
    honor_labels: true
    static_configs: [{{targets: [{targets}]}}]
"""


class Stack:
    """Started as asked for, sampled once a second, stopped in reverse; a context manager.

    Args:
        folder: for logs, samples and Prometheus' data.
        collectors: how many.

    Raises:
        RuntimeError: a program is nowhere; says how to get it.
    """

    def __init__(self, folder: Path, collectors: int) -> None:
        self._folder = folder
        self._patience = Patience(threading.Event())
        lacking = programs.lacking((programs.COLLECTOR, programs.PROMETHEUS), programs.folders())
        if lacking:
            raise RuntimeError("; ".join(lacking))
        self._processes = Processes(lambda *_: None)
        self._ports = [{name: HeldPort() for name in ("OTLP", "HEALTH", "SCRAPE")} for _ in range(collectors)]
        self._prometheus_port = HeldPort()
        self._sampled: dict[str, Process] = {}
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="samples", daemon=True)

    def __enter__(self) -> Self:
        """Start the Collectors and Prometheus and wait until they serve."""
        try:
            for number in range(len(self._ports)):
                self.start_collector(number)
            self._start_prometheus()
        except BaseException:
            self._processes.close()
            raise
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all."""
        self._over.set()
        if self._sampler.is_alive():
            self._sampler.join()
        self._processes.close()
        for port in (self._prometheus_port, *(port for ports in self._ports for port in ports.values())):
            port.close()

    @property
    def endpoints(self) -> list[str]:
        """Where sidecars send to."""
        return [f"http://{HOST}:{ports['OTLP'].number}" for ports in self._ports]

    def start_collector(self, number: int) -> None:
        """Start one Collector, anew on the same ports where it was killed."""
        role = f"collector-{number + 1}"
        program = programs.find(programs.COLLECTOR, programs.folders())
        variables = {f"{name}_PORT": str(port.number) for name, port in self._ports[number].items()}
        command = [str(program), f"--config={CONFIGURATION}"]
        process = self._start(role, command, variables)
        until_serving(process, f"http://{HOST}:{self._ports[number]['HEALTH'].number}/", self._patience)
        self._sampled[role] = process

    def kill_collector(self, number: int) -> None:
        """SIGKILL, as when its node is lost."""
        self._sampled.pop(f"collector-{number + 1}").kill()

    def start_locust(self, variables: Mapping[str, str], *, users: int, seconds: float) -> Process:
        """Start the load generator in a process of its own."""
        file = Path(__file__).with_name("locustfile.py")
        command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--users", str(users)]
        command += ["--spawn-rate", str(users), "--run-time", f"{seconds:.0f}s", "--stop-timeout", "5"]
        command += ["--loglevel", "WARNING", "--only-summary"]
        process = self._start("locust", command, variables)
        self._sampled["locust"] = process
        return process

    def series(self) -> int | None:
        """How many series of the job's metrics Prometheus has now; None: it does not answer."""
        found = Prometheus(HOST, self._prometheus_port.number).query('count({__name__=~"ml_.*"})')
        return int(found[0].samples[0][1]) if found else 0

    def _start(self, role: str, command: Sequence[str], variables: Mapping[str, str]) -> Process:
        log = self._folder / f"{role}.log"
        return self._processes.start(role, command, env=child_environment(variables), log=log)

    def _start_prometheus(self) -> None:
        targets = ", ".join(f'"{HOST}:{ports["SCRAPE"].number}"' for ports in self._ports)
        file = self._folder / "prometheus.yaml"
        file.write_text(_PROMETHEUS.format(seconds=SCRAPE_SECONDS, targets=targets), encoding="utf-8")
        program = programs.find(programs.PROMETHEUS, programs.folders())
        where = f"--web.listen-address={HOST}:{self._prometheus_port.number}"
        data = f"--storage.tsdb.path={self._folder / 'prometheus-data'}"
        process = self._start(
            "prometheus", [str(program), f"--config.file={file}", data, where, "--log.level=warn"], {}
        )
        until_serving(process, f"http://{HOST}:{self._prometheus_port.number}/-/ready", self._patience)
        self._sampled["prometheus"] = process

    def _sample(self) -> None:
        with (self._folder / "samples.jsonl").open("w", encoding="utf-8", buffering=1) as file:
            while not self._over.wait(SAMPLE_SECONDS):
                for role, process in tuple(self._sampled.items()):
                    try:
                        rss = int(Path(f"/proc/{process.pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
                        line = {"t": time.time(), "role": role, "pid": process.pid, "rss_bytes": rss}
                        line["cpu_seconds"] = procfs.cpu_seconds(process.pid)
                    except (OSError, IndexError):
                        continue  # it has just ended
                    file.write(json.dumps(line) + "\n")
                line = {"t": time.time(), "role": "machine", "pid": 0, "rss_bytes": 0, "cpu_seconds": _busy_seconds()}
                file.write(json.dumps(line) + "\n")


def _busy_seconds() -> float:
    """CPU time that anybody took, all processors together, since the machine's boot."""
    user, nice, system, _idle, _wait, *rest = (
        Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, *rest[:3]))) / os.sysconf("SC_CLK_TCK")

"""The real Prometheus of one run: it scrapes the Collector, and receives the same points by OTLP."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from string import Template

from harness.observers import prometheus
from harness.observers.prometheus import PrometheusError
from harness.rigs.contract import RigError
from harness.rigs.real_collector import DATA, until_serving
from harness.started import Started
from harness.waiting import Patience, WaitedTooLongError

_SCRAPED_SECONDS = 5.0
"""From the bridge's end to a scrape after it: they are half a second apart."""
_NEWEST = 'max(timestamp({__name__="ml_training_loss", way="scrape"}))'


def write_configuration(run_dir: Path, scrape_address: str) -> Path:
    """Write its configuration into the run's folder: it scrapes the Collector at ``host:port``."""
    template = Template((DATA / "prometheus.yaml").read_text(encoding="utf-8"))
    config = run_dir / "prometheus.yaml"
    config.write_text(template.substitute(scrape_address=scrape_address), encoding="utf-8")
    return config


def arguments(config: str, data: str, listen: str) -> list[str]:
    """What it is started with, by the paths under which it finds them."""
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={listen}",
        "--web.enable-otlp-receiver",
        "--log.level=warn",
    ]


class RealPrometheus:
    """Its configuration and what is asked of it.

    Args:
        run_dir: for its configuration, its data and what it holds in the end.
        host: where it listens.
        port: where it listens.
    """

    def __init__(self, run_dir: Path, host: str, port: int) -> None:
        self.port = port
        self._host = host
        self._run_dir = run_dir
        self._data = run_dir / "prometheus-data"
        self._asked = prometheus.Prometheus(host, port)

    def command(self, program: Path, scrape_address: str) -> Sequence[str]:
        """Write its configuration; gives the command that starts it, for the program that is the file to run."""
        config = write_configuration(self._run_dir, scrape_address)
        return [str(program), *arguments(str(config), str(self._data), f"{self._host}:{self.port}")]

    def until_ready(self, process: Started, patience: Patience) -> None:
        """Wait until it serves.

        Raises:
            RigError: it ended, or does not become ready.
        """
        until_serving(process, f"http://{self._host}:{self.port}/-/ready", patience)

    def write_down(self, patience: Patience) -> None:
        """Wait for a scrape of now, and append what it holds to the record.

        Raises:
            RigError: it does not answer, or the record cannot be written.
        """
        now = time.time()
        try:
            patience.until(
                lambda: any(found.samples[0][1] > now for found in self._asked.query(_NEWEST)),
                within=_SCRAPED_SECONDS,
                what="a scrape after the bridge's end",
                every=0.1,
            )
        except WaitedTooLongError:
            pass  # nothing is served any more, which is what the checks then see
        except PrometheusError as problem:
            raise RigError(f"{problem}; see prometheus.log") from problem
        try:
            prometheus.write_down(self._asked, self._run_dir / "back_end.jsonl")
        except (PrometheusError, OSError) as problem:
            raise RigError(f"{problem}; see prometheus.log") from problem

    def close(self) -> None:
        """Remove its data: what is of use stands in the record."""
        shutil.rmtree(self._data, ignore_errors=True)

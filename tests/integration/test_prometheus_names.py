"""The real bridge beside a real Collector: what can be scraped there is what docs/metrics.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.waiting import wait_until
from tests.integration.real_servers import free_port

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
FIXTURE = ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def documented(heading: str, name: int, kind: int) -> dict[str, str]:
    """Prometheus name to kind, as the table after a heading has them."""
    rows = (
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in f"\n{DOCUMENT}".split(f"\n{heading}\n")[1].split("\n## ")[0].splitlines()
        if line.startswith(("| `ml.", "| `process."))
    )
    return {row[name]: row[kind] for row in rows if len(row) == 5}


JOBS = documented("# Metrics", name=4, kind=1)
OWN = documented("## The bridge's own", name=3, kind=1)


class Scraped:
    """One page of the Collector's Prometheus exporter."""

    def __init__(self, page: str) -> None:
        self.kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
        self.series: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", page, re.MULTILINE):
            told = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
            self.series.setdefault(name, []).append((told, float(value)))

    def names(self, start: str = "") -> set[str]:
        whole = {SUFFIXES.sub("", name) for name in self.series}
        return {name for name in whole if name.startswith(start) and name not in ("target_info", "up")}

    def value(self, name: str, **labels: str) -> float | None:
        found = [value for told, value in self.series.get(name, []) if labels.items() <= told.items()]
        assert len(found) <= 1, f"{name} has {len(found)} series"
        return found[0] if found else None


class Beside:
    """A Collector, a bridge and the file that a job writes."""

    def __init__(self, folder: Path, otelcol: str) -> None:
        self._folder = folder
        self.file = folder / "current.json"
        receive, self._scrape = free_port(), free_port()
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{receive}"}}}},
            "exporters": {"prometheus": {"endpoint": f"127.0.0.1:{self._scrape}"}},
            "service": {
                "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["prometheus"]}},
                "telemetry": {"metrics": {"level": "none"}},
            },
        }
        (folder / "collector.json").write_text(json.dumps(config))
        self._started: list[subprocess.Popen[bytes]] = []
        self._start("collector", [otelcol, "--config", str(folder / "collector.json")], {})
        wait_until(lambda: "Everything is ready" in self.log("collector"), within=20, what="the Collector is ready")
        self._start(
            "bridge",
            [sys.executable, "-m", "bridge"],
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receive}",
                "OTEL_SERVICE_NAME": "digits",
                "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=pod-1",
                "METRICS_FILE_PATH": str(self.file),
                "COLLECTION_INTERVAL": "0.1",
                "BRIDGE_SPOOL_DIR": str(folder / "spool"),  # its figures have names, too
                "LOG_LEVEL": "DEBUG",
            },
        )
        wait_until(lambda: "is not there" in self.log("bridge"), within=20, what="the bridge has looked once")

    def _start(self, name: str, command: list[str], environ: dict[str, str]) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._started.append(
                subprocess.Popen(
                    command, cwd=ROOT, env={"PATH": os.environ["PATH"]} | environ, stdout=log, stderr=subprocess.STDOUT
                )
            )

    def close(self) -> None:
        for process in reversed(self._started):
            process.terminate()
            process.wait(20)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def write(self, *, job_id: str = "training-job-123", **metrics: object) -> None:
        document = json.loads(FIXTURE.read_text())
        document["job_metadata"]["job_id"] = job_id
        document["training_metrics"] |= metrics
        self.file.with_suffix(".tmp").write_text(json.dumps(document))
        self.file.with_suffix(".tmp").replace(self.file)

    def scraped(self) -> Scraped:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._scrape}/metrics", timeout=5) as page:
            return Scraped(page.read().decode())

    def until(self, name: str, value: float | None, **labels: str) -> Scraped:
        """Wait until a series has this value, None: until it is gone."""
        pages: list[Scraped] = []

        def there() -> bool:
            pages[:] = [self.scraped()]
            return pages[0].value(name, **labels) == value

        wait_until(there, within=10, what=f"{name}{labels} is {value}")
        return pages[0]


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    found = shutil.which("otelcol") or str(ROOT / ".tools" / "bin" / "otelcol")
    if not Path(found).exists():
        pytest.skip("the Collector is not built: no otelcol on PATH or in .tools/bin (nox -s tools)")
    made = Beside(tmp_path, found)
    yield made
    made.close()


def test_the_names_and_kinds_at_a_real_collector_are_those_of_the_document(beside: Beside):
    assert len(JOBS) == 9
    beside.write()
    beside.until("ml_training_loss", 0.342)
    beside.until("ml_bridge_build_info", 1)
    page = beside.scraped()
    assert page.names("ml_training_") | page.names("ml_validation_") == JOBS.keys()
    assert page.names("ml_bridge_") | page.names("process_") == OWN.keys() - {"ml_bridge_file_fields_left_out_total"}
    kinds = {"updowncounter": "gauge"}
    for name, kind in (JOBS | OWN).items():
        assert page.kinds.get(name) in (kinds.get(kind, kind), None), name
    labels = {"job_id": "training-job-123", "model_name": "resnet-50", "dataset": "imagenet"}
    assert page.value("ml_training_loss", job="digits", instance="pod-1", **labels) == 0.342
    assert page.value("ml_bridge_queue_capacity", job="digits", instance="pod-1") == 10_000


def test_the_totals_at_a_real_collector_are_what_the_job_did(beside: Beside):
    for number, (epoch, batch) in enumerate([(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)]):
        beside.write(epoch=epoch, batch_number=batch, training_loss=float(number), processing_time_ms=40 * number)
        page = beside.until("ml_training_loss", float(number))
    assert page.value("ml_training_batch_number_total") == 3 + 2 + 1
    assert page.value("ml_training_epoch_total") == 3
    histogram = "ml_training_processing_time_milliseconds"
    assert page.value(f"{histogram}_count") == 6
    assert page.value(f"{histogram}_sum") == 40 * (0 + 1 + 2 + 3 + 4 + 5)
    assert page.value(f"{histogram}_bucket", le="100") == 3


def test_gauges_that_end_vanish_at_a_real_collector_at_once_and_come_back(beside: Beside):
    beside.write()
    beside.until("ml_training_loss", 0.342)
    beside.file.unlink()
    page = beside.until("ml_training_loss", None)
    gone = {name for name, kind in JOBS.items() if kind == "gauge"}
    assert page.names("ml_training_") == JOBS.keys() - gone
    assert page.value("ml_training_epoch_total") == 5
    beside.write(training_loss=0.25)
    assert beside.until("ml_training_loss", 0.25).value("ml_training_epoch_total") == 5


def test_the_series_of_a_job_vanish_at_a_real_collector_when_another_writes(beside: Beside):
    beside.write()
    beside.until("ml_training_loss", 0.342)
    beside.write(job_id="another", training_loss=0.5)
    page = beside.until("ml_training_loss", 0.5, job_id="another")
    for name in page.names("ml_training_"):
        assert page.value(name, job_id="training-job-123") is None or SUFFIXES.search(name), name
    assert {told["job_id"] for name in page.names("ml_training_") for told, _ in page.series.get(name, [])} == {
        "another"
    }


def test_a_loss_that_is_no_longer_finite_vanishes_alone(beside: Beside):
    beside.write()
    beside.until("ml_training_loss", 0.342)
    text = beside.file.read_text().replace("0.342", "NaN")
    beside.file.write_text(text)
    page = beside.until("ml_training_loss", None)
    assert page.value("ml_validation_loss") == 0.389

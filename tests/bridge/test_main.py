"""The whole bridge as a process, beside a real gRPC server: how it starts, what it delivers, how it ends."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

from bridge import wiring
from bridge.settings import Settings
from bridge.stop import Stop
from harness import procfs
from tests.alone import alone

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json"


def wait_until(condition: Callable[[], object], *, within: float, what: str) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within} s: {what}"
        time.sleep(0.01)


class Collector(MetricsServiceServicer):
    """Takes everything and keeps the losses, None for an end."""

    def __init__(self) -> None:
        self.losses: list[float | None] = []
        self.requests: list[set[str]] = []
        self.metadata: dict[str, str] = {}
        self.resource: dict[str, str] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        add_MetricsServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def Export(  # noqa: N802 - gRPC's name
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        self.metadata = dict(context.invocation_metadata())
        for resource in request.resource_metrics:
            self.resource = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            self.requests.append({metric.name for metric in resource.scope_metrics[0].metrics})
            for metric in resource.scope_metrics[0].metrics:
                if metric.name == "ml.training.loss":
                    self.losses += [None if point.flags else point.as_double for point in metric.gauge.data_points]
        return ExportMetricsServiceResponse()

    def stop(self) -> None:
        self._server.stop(None).wait(5)


MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""What has nox -s coverage look into the process; nothing otherwise."""


class Bridge:
    """One process, its log in a file."""

    def __init__(self, folder: Path, port: int, arguments: tuple[str, ...] = (), **environ: str) -> None:
        self.file = folder / "current.json"
        self._log = folder / "bridge.log"
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "METRICS_FILE_PATH": str(self.file),
            "COLLECTION_INTERVAL": "0.1",
        } | environ
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bridge", *arguments],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"]} | MEASURED | environ,
                stdout=log,
                stderr=log,
            )

    def write(self, loss: float) -> None:
        document = json.loads(FIXTURE.read_text())
        document["training_metrics"]["training_loss"] = loss
        self.file.with_suffix(".tmp").write_text(json.dumps(document))
        self.file.with_suffix(".tmp").replace(self.file)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def catches(self, number: signal.Signals) -> bool:
        return procfs.takes(self.process.pid, number)

    def ends(self, within: float) -> tuple[int, float]:
        begin = time.monotonic()
        return self.process.wait(within), time.monotonic() - begin


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.stop()


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port that nobody listens on and that nobody else can take meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Bridge]]:
    started: list[Bridge] = []

    def begin(port: int, *arguments: str, **environ: str) -> Bridge:
        started.append(Bridge(tmp_path, port, arguments, **environ))
        return started[-1]

    yield begin
    for bridge in started:
        if bridge.process.poll() is None:
            bridge.process.kill()
            bridge.process.wait(10)


def test_what_the_job_writes_arrives_and_its_last_write_arrives_when_the_bridge_is_stopped(
    start: Callable[..., Bridge], collector: Collector
):
    bridge = start(collector.port, COLLECTION_INTERVAL="30", LOG_LEVEL="DEBUG")
    wait_until(lambda: "is not there" in bridge.log(), within=20, what="its first look found nothing")
    bridge.write(0.5)
    bridge.process.terminate()
    code, seconds = bridge.ends(20)
    assert code == 0
    assert seconds < 2
    assert collector.losses == [0.5]
    last = bridge.log().splitlines()[-1]
    assert re.search(r"INFO bridge: stopped: (\d+) of \1 requests delivered to http://127\.0\.0\.1:\d+, 0 lost$", last)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_bridge_ends_at_once_with_0(
    start: Callable[..., Bridge], collector: Collector, number: signal.Signals
):
    bridge = start(collector.port, "run")
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a first delivery")
    bridge.process.send_signal(number)
    code, seconds = bridge.ends(20)
    assert code == 0
    assert seconds < 1


@pytest.mark.parametrize("after_seconds", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_a_bridge_that_is_stopped_while_it_starts_reads_delivers_and_ends_with_0(
    start: Callable[..., Bridge], collector: Collector, after_seconds: float
):
    bridge = start(collector.port)
    bridge.write(0.5)
    wait_until(lambda: bridge.catches(signal.SIGTERM), within=20, what="the handler is there")
    end = time.monotonic() + after_seconds
    wait_until(lambda: time.monotonic() >= end, within=5, what="the moment has come")
    bridge.process.terminate()
    assert bridge.ends(20)[0] == 0
    assert set(collector.losses) == {0.5}
    assert "stopped: " in bridge.log().splitlines()[-1]


def test_a_refused_collector_costs_the_budget_and_what_is_lost_is_the_last_line(
    start: Callable[..., Bridge], refused_port: int
):
    bridge = start(refused_port, BRIDGE_SHUTDOWN_BUDGET="0.6")
    bridge.write(0.5)
    wait_until(lambda: "WARNING" in bridge.log() or "ERROR" in bridge.log(), within=20, what="it says so")
    bridge.process.terminate()
    code, seconds = bridge.ends(20)
    assert code == 0
    assert seconds < 2
    assert re.search(
        r"WARNING bridge: stopped: 0 of (\d+) requests delivered to \S+, \1 lost \(\1 shutdown\)$",
        bridge.log().splitlines()[-1],
    )


def test_what_a_killed_bridge_had_queued_in_an_outage_is_sent_by_the_next_one_before_its_own(
    start: Callable[..., Bridge], collector: Collector, refused_port: int, tmp_path: Path
):
    spool = tmp_path / "spool"
    killed = start(refused_port, BRIDGE_SPOOL_DIR=str(spool))
    killed.write(0.5)
    wait_until(lambda: sum(one.stat().st_size for one in spool.glob("*.segment")) > 6000, within=20, what="some wait")
    killed.process.kill()
    killed.process.wait(20)
    bridge = start(collector.port, BRIDGE_SPOOL_DIR=str(spool))
    bridge.write(0.25)
    wait_until(lambda: 0.25 in collector.losses, within=20, what="its own readings arrive")
    assert collector.losses.count(0.5) >= 4
    assert collector.losses == sorted(collector.losses, reverse=True), "the older ones first"
    wait_until(lambda: [one.name for one in spool.iterdir()] == ["lock"], within=5, what="an empty spool")


def test_with_a_spool_what_could_not_be_delivered_is_kept_and_the_last_line_says_so(
    start: Callable[..., Bridge], refused_port: int, tmp_path: Path
):
    bridge = start(refused_port, BRIDGE_SHUTDOWN_BUDGET="0.3", BRIDGE_SPOOL_DIR=str(tmp_path / "spool"))
    bridge.write(0.5)
    wait_until(lambda: "WARNING" in bridge.log(), within=20, what="it says that delivery fails")
    bridge.process.terminate()
    assert bridge.ends(20)[0] == 0
    assert re.search(
        r"INFO bridge: stopped: 0 of (\d+) requests delivered to \S+, 0 lost, \1 spooled in \S+ for the next start$",
        bridge.log().splitlines()[-1],
    )


def test_a_second_signal_ends_it_in_the_middle_of_its_budget(start: Callable[..., Bridge], refused_port: int):
    bridge = start(refused_port, BRIDGE_SHUTDOWN_BUDGET="60")
    bridge.write(0.5)
    wait_until(lambda: "bridge.sender" in bridge.log(), within=20, what="a call failed")
    bridge.process.terminate()
    begin = time.monotonic()
    # The first signal is taken when the next tick, of 0.1 s, did not come.
    wait_until(lambda: time.monotonic() - begin > 0.5, within=5, what="the drain has begun")
    assert bridge.process.poll() is None
    bridge.process.terminate()
    code, seconds = bridge.ends(20)
    assert code == 128 + signal.SIGTERM
    assert seconds < 1


def test_no_damage_to_the_file_ends_it(start: Callable[..., Bridge], collector: Collector):
    bridge = start(collector.port)
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a first delivery")
    bridge.file.write_bytes(b'{"training_metrics": {')
    wait_until(lambda: None in collector.losses, within=10, what="the gauges end")
    bridge.file.unlink()
    bridge.file.mkdir()
    bridge.file.rmdir()
    os.mkfifo(bridge.file)
    bridge.file.unlink()
    bridge.write(0.25)
    wait_until(lambda: collector.losses[-1] == 0.25, within=10, what="the next good reading")
    assert bridge.process.poll() is None
    assert bridge.log().count(" ERROR ") == 1


def test_wrong_settings_end_it_with_2_and_name_every_problem(start: Callable[..., Bridge]):
    bridge = start(1, COLLECTION_INTERVAL="soon", LOG_LEVEL="loud")
    assert bridge.ends(20)[0] == 2
    assert "COLLECTION_INTERVAL='soon'" in bridge.log()
    assert "LOG_LEVEL='loud'" in bridge.log()
    assert "Traceback" not in bridge.log()


def test_an_unknown_command_ends_it_with_2(start: Callable[..., Bridge]):
    bridge = start(1, "fly")
    assert bridge.ends(20)[0] == 2
    assert "fly" in bridge.log()


def imported_by(script: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys, bridge.__main__ as main; {script}; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return set(ended.stdout.split())


def test_the_signals_are_taken_before_the_slow_imports():
    assert not imported_by("pass") & {"opentelemetry", "logging", "json", "h2", "dataclasses"}


def test_the_running_bridge_has_nothing_in_memory_that_it_cannot_afford():
    loaded = imported_by(
        "from bridge import wiring; from bridge.settings import Settings; told = Settings.from_mapping({}); "
        "wiring.make_loop(told, wiring.make_sender(told))"
    )
    assert "opentelemetry.sdk.metrics" in loaded
    assert "h2.connection" in loaded
    assert not loaded & {
        "ssl",
        "asyncio",
        "argparse",
        "grpc",
        "http.server",
        "tomllib",
        "importlib.metadata",
        "pathlib",
    }
    assert not {module for module in loaded if module.startswith("bridge.spool")}


def test_once_delivers_once(start: Callable[..., Bridge], collector: Collector, tmp_path: Path):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(collector.port, "once")
    assert bridge.ends(20)[0] == 0
    assert collector.losses == [0.342]


def test_once_ends_with_1_when_it_could_not_deliver(start: Callable[..., Bridge], refused_port: int, tmp_path: Path):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(refused_port, "once", BRIDGE_SHUTDOWN_BUDGET="0.3")
    assert bridge.ends(20)[0] == 1
    assert "1 lost" in bridge.log()


def test_once_and_check_show_no_gauges_of_an_old_file(
    start: Callable[..., Bridge], collector: Collector, tmp_path: Path
):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    os.utime(tmp_path / "current.json", (time.time() - 7200,) * 2)
    assert start(collector.port, "once").ends(20)[0] == 0
    assert collector.losses == []
    assert collector.requests
    bridge = start(collector.port, "check")
    bridge.ends(20)
    assert "no gauges: the file has not changed for longer than BRIDGE_STALE_AFTER" in bridge.log()
    assert "ml.training.loss" not in bridge.log()


def test_once_says_where_it_sends_to_and_what_it_guessed(start: Callable[..., Bridge], tmp_path: Path):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(1, "once", OTEL_EXPORTER_OTLP_ENDPOINT="127.0.0.1:1", BRIDGE_SHUTDOWN_BUDGET="0")
    bridge.ends(20)
    assert "the endpoint names no scheme: taken as plain text" in bridge.log()


def test_from_the_loop_on_garbage_is_collected(tmp_path: Path):
    stop = Stop()
    stop.ask()
    environ = {"METRICS_FILE_PATH": str(tmp_path / "none"), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    gc.disable()  # as __main__ does for the imports
    try:
        wiring.run(Settings.from_mapping(environ | {"BRIDGE_SHUTDOWN_BUDGET": "0"}), stop)
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_once_ends_at_a_signal_and_says_what_was_lost(
    start: Callable[..., Bridge], refused_port: int, tmp_path: Path, number: signal.Signals
):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(refused_port, "once", BRIDGE_SHUTDOWN_BUDGET="60")
    wait_until(lambda: "delivery fails" in bridge.log(), within=20, what="a first try")
    bridge.process.send_signal(number)
    code, seconds = bridge.ends(20)
    assert (code, seconds < 5) == (1, True)
    assert "stopped: 0 of 1 requests delivered" in bridge.log()
    assert "Traceback" not in bridge.log()


STREAMS = {
    "closed": "exec {n}>&-; ",
    "full": "exec {n}>/dev/full; ",
    "gone": "exec {n}> >(exec true); sleep 0.1; ",
}


@pytest.mark.parametrize("state", STREAMS)
@pytest.mark.parametrize(
    ("command", "stream", "code"),
    [("run", 2, 2), ("once", 2, 2), ("check", 2, 2), ("check", 1, 1), ("never", 2, 2), ("--help", 1, 0)],
)
def test_a_stream_that_cannot_be_written_to_changes_no_exit_code_and_costs_no_traceback(
    tmp_path: Path, command: str, stream: int, code: int, state: str
):
    environ = {"PATH": os.environ["PATH"], "METRICS_FILE_PATH": str(FIXTURE)}
    environ |= {"COLLECTION_INTERVAL": "soon"} if code == 2 else {}
    script = STREAMS[state].format(n=stream) + f"exec {sys.executable} -m bridge {command}"
    with (tmp_path / "said").open("w+b") as said:
        ended = subprocess.run(
            ["/bin/bash", "-c", script], cwd=ROOT, env=environ, stdout=said, stderr=said, check=False
        )
        said.seek(0)
        told = said.read().decode()
    assert ended.returncode == code
    assert "Traceback" not in told
    assert "Exception ignored" not in told
    assert ("could not be written to stdout" in told) == (stream == 1)


@contextlib.contextmanager
def behind_a_full_pipe(port: int, file: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A bridge whose stderr is a pipe that is full and that nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    environ |= {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "METRICS_FILE_PATH": str(file),
        "COLLECTION_INTERVAL": "0.1",
    }
    bridge = subprocess.Popen([sys.executable, "-m", "bridge"], cwd=ROOT, env=environ, stderr=writer)
    try:
        yield bridge
    finally:
        bridge.kill()
        bridge.wait(20)
        os.close(reader)
        os.close(writer)


def test_a_reader_of_the_log_that_stalls_delays_neither_deliveries_nor_the_end(collector: Collector, tmp_path: Path):
    file = tmp_path / "current.json"
    file.write_text("broken")
    with behind_a_full_pipe(collector.port, file) as bridge:
        file.write_bytes(FIXTURE.read_bytes())
        wait_until(lambda: len(collector.losses) > 5, within=20, what="deliveries")
        bridge.terminate()
        assert bridge.wait(10) == 0


def test_a_second_signal_ends_it_at_once_whoever_reads_its_log(refused_port: int):
    with behind_a_full_pipe(refused_port, FIXTURE, BRIDGE_SHUTDOWN_BUDGET="60") as bridge:
        wait_until(lambda: procfs.takes(bridge.pid, signal.SIGTERM), within=20, what="the handler")

        def ended() -> bool:
            # Two signals that come while Python cannot look (a long import) are one to it: a later one is the second.
            bridge.terminate()
            return bridge.poll() is not None

        wait_until(ended, within=30, what="an end in the middle of the budget")
        assert bridge.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("state", STREAMS)
def test_a_log_that_cannot_be_written_changes_no_exit_code(collector: Collector, tmp_path: Path, state: str):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    environ = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "METRICS_FILE_PATH": str(tmp_path / "current.json"),
    }
    script = STREAMS[state].format(n=2) + f"exec {sys.executable} -m bridge"
    bridge = subprocess.Popen(["/bin/bash", "-c", script], cwd=ROOT, env=environ)
    try:
        wait_until(lambda: collector.losses, within=20, what="a delivery")
    finally:
        bridge.terminate()
    assert bridge.wait(20) == 0


def test_what_a_terminal_cannot_show_is_shown_as_an_escape(tmp_path: Path):
    document = json.loads(FIXTURE.read_text())
    document["job_metadata"]["model_name"] = "r\u00e9snet"
    (tmp_path / "current.json").write_text(json.dumps(document))
    environ = {"METRICS_FILE_PATH": str(tmp_path / "current.json"), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", "check"], cwd=ROOT, env=environ, check=True, capture_output=True
    )
    assert rb"model.name = r\xe9snet" in ended.stdout


def test_no_file_of_the_bridge_takes_the_number_of_a_stream_that_was_closed(collector: Collector, tmp_path: Path):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    environ = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "METRICS_FILE_PATH": str(tmp_path / "current.json"),
    }
    bridge = subprocess.Popen(
        ["/bin/bash", "-c", f"exec 0<&- 1>&- 2>&-; exec {sys.executable} -m bridge"], cwd=ROOT, env=environ
    )
    try:
        wait_until(lambda: collector.losses, within=20, what="a first delivery")
        links = [str(Path(f"/proc/{bridge.pid}/fd/{n}").readlink()) for n in range(3)]
    finally:
        bridge.terminate()
    assert bridge.wait(20) == 0
    assert links == ["/dev/null"] * 3


@pytest.mark.parametrize("command", ["once", "check"])
def test_without_a_file_once_and_check_end_with_1(start: Callable[..., Bridge], collector: Collector, command: str):
    bridge = start(collector.port, command)
    assert bridge.ends(20)[0] == 1
    assert "no snapshot: " in bridge.log()
    assert collector.losses == []


@pytest.mark.parametrize("command", ["once", "check"])
def test_a_file_that_is_no_snapshot_is_named_with_what_is_the_matter(
    start: Callable[..., Bridge], collector: Collector, tmp_path: Path, command: str
):
    (tmp_path / "current.json").write_bytes(b"")
    bridge = start(collector.port, command)
    assert bridge.ends(20)[0] == 1
    assert f"{tmp_path / 'current.json'} is no metrics file: empty" in bridge.log()


def test_check_prints_what_would_be_exported_and_sends_nothing(
    start: Callable[..., Bridge], collector: Collector, tmp_path: Path
):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(collector.port, "check")
    assert bridge.ends(20)[0] == 0
    assert re.search(r"ml\.training\.processing_time +histogram +245 ms\n", bridge.log())
    assert "job.id = training-job-123" in bridge.log()
    assert collector.losses == []


def test_check_names_what_is_left_out_and_ends_with_1(start: Callable[..., Bridge], tmp_path: Path):
    document = json.loads(FIXTURE.read_text())
    document["training_metrics"]["accuracy"] = "high"
    del document["training_metrics"]["gpu_utilization"]
    (tmp_path / "current.json").write_text(json.dumps(document))
    bridge = start(1, "check", "--json")
    assert bridge.ends(20)[0] == 1
    told = json.loads(bridge.log())
    assert told["left_out"] == [
        {"field": "training_metrics.accuracy", "reason": "text"},
        {"field": "training_metrics.gpu_utilization", "reason": "missing"},
    ]
    loss = {"name": "ml.training.loss", "kind": "gauge", "unit": "", "value": 0.342, "in_file": 0.342}
    assert loss in told["metrics"]


def test_check_prints_the_total_that_a_counter_would_begin_at(
    start: Callable[..., Bridge], collector: Collector, tmp_path: Path
):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    bridge = start(collector.port, "check")
    assert bridge.ends(20)[0] == 0
    assert re.search(r"ml\.training\.batch_number +counter +0 +\(the file's 150;", bridge.log())
    assert re.search(r"ml\.training\.epoch +counter +5\n", bridge.log())


def test_what_it_says_of_itself_comes_once_and_apart_from_the_jobs_data(
    start: Callable[..., Bridge], collector: Collector
):
    bridge = start(collector.port)
    bridge.write(0.5)
    wait_until(lambda: len(collector.requests) > 8, within=20, what="some ticks")
    own = [names for names in collector.requests if not any(name.startswith("ml.training.") for name in names)]
    assert len(own) == 1
    assert own[0] >= {"ml.bridge.exports", "ml.bridge.queue.size", "process.cpu.time", "ml.bridge.build.info"}
    assert not any(name.startswith("ml.bridge.spool.") for name in own[0])
    assert collector.requests.index(own[0]) >= 1, "after the first delivery"
    assert all(len(names) == 9 for names in collector.requests if names is not own[0])


def test_with_a_spool_it_says_how_that_one_does(start: Callable[..., Bridge], collector: Collector, tmp_path: Path):
    bridge = start(collector.port, BRIDGE_SPOOL_DIR=str(tmp_path / "spool"))
    bridge.write(0.5)
    wait_until(lambda: any("ml.bridge.spool.disk.usage" in names for names in collector.requests), within=20, what="it")


def test_it_says_nothing_of_itself_when_told_so(start: Callable[..., Bridge], collector: Collector):
    bridge = start(collector.port, BRIDGE_SELF_METRICS_INTERVAL="0")
    bridge.write(0.5)
    wait_until(lambda: len(collector.requests) > 3, within=20, what="some ticks")
    assert all(len(names) == 9 for names in collector.requests)


class UntilItSpoke:
    """Asks for the end when it has said so much of itself."""

    def __init__(self, collector: Collector, times: int) -> None:
        self._collector, self._times, self._ends = collector, times, time.monotonic() + 20

    def wait(self, seconds: float) -> bool:
        due = time.monotonic() + seconds
        while not self._over() and time.monotonic() < due:
            time.sleep(0.01)
        return self._over()

    def _over(self) -> bool:
        return len(self._collector.requests) >= self._times or time.monotonic() > self._ends


def test_a_bridge_whose_file_never_comes_says_so_by_its_own_metrics(collector: Collector, tmp_path: Path):
    environ = {
        "METRICS_FILE_PATH": str(tmp_path / "none"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "COLLECTION_INTERVAL": "0.1",
    }
    # An interval that no setting may have: the least is a minute.
    settings = Settings.from_mapping(environ)._replace(self_metrics_interval_seconds=0.5)
    began = time.monotonic()
    try:
        wiring.run(settings, UntilItSpoke(collector, 2))  # type: ignore[arg-type]  # it stands in for the signals
    finally:
        gc.unfreeze()
    assert time.monotonic() - began >= 1.0, "not before an interval was over, and then once an interval"
    assert len(collector.requests) == 2
    for names in collector.requests:
        assert names >= {"ml.bridge.file.reads", "ml.bridge.requests.delivered", "process.uptime"}
        assert "ml.bridge.snapshot.age" not in names
        assert not any(name.startswith("ml.training.") for name in names)


def test_a_disabled_bridge_has_nothing_to_say_of_itself():
    settings = Settings.from_mapping({"OTEL_SDK_DISABLED": "true"})
    sender = wiring.make_sender(settings)
    assert wiring.make_bulletin(settings, wiring.make_loop(settings, sender), sender, None) is None


def probed(port: int, path: str) -> tuple[int, list[str]]:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
        probe.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: probe.recv(4096), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)["reasons"]
    return 0, []


def test_probes_find_it_live_from_the_start_and_ready_when_it_delivers(
    start: Callable[..., Bridge], collector: Collector
):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    bridge = start(collector.port, BRIDGE_HEALTH_PORT=str(port))
    wait_until(lambda: probed(port, "/live") == (200, []), within=20, what="it is live")
    status, reasons = probed(port, "/ready")
    assert status == 503
    assert reasons[-1] == "nothing was delivered yet"
    bridge.write(0.5)
    wait_until(lambda: probed(port, "/ready") == (200, []), within=20, what="it is ready")
    collector.stop()
    wait_until(lambda: probed(port, "/ready")[0] == 503, within=20, what="it is no longer ready")
    assert "delivery has failed" in probed(port, "/ready")[1][0]
    assert probed(port, "/live") == (200, [])
    bridge.process.terminate()
    wait_until(lambda: probed(port, "/ready")[1][:1] == ["the bridge is ending"], within=20, what="it drains")
    assert probed(port, "/live") == (200, [])


def test_a_health_port_that_is_taken_costs_the_endpoint_and_not_the_bridge(
    start: Callable[..., Bridge], collector: Collector
):
    bridge = start(collector.port, BRIDGE_HEALTH_PORT=str(collector.port))
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a delivery")
    assert "goes on without its health endpoint" in bridge.log()


def test_a_mapping_file_of_ones_own_decides_what_check_shows_and_its_errors_end_it_with_2(
    start: Callable[..., Bridge], tmp_path: Path
):
    (tmp_path / "current.json").write_bytes(FIXTURE.read_bytes())
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[[metrics]]\nfield = "training_metrics.training_loss"\nname = "own"\nkind = "gauge"\n')
    bridge = start(1, "check", "--json", BRIDGE_MAPPING_FILE=str(mapping))
    assert bridge.ends(20)[0] == 0
    assert json.loads(bridge.log())["metrics"] == [
        {"name": "own", "kind": "gauge", "unit": "", "value": 0.342, "in_file": 0.342}
    ]
    mapping.write_text(mapping.read_text().replace("gauge", "gage"))
    bridge = start(1, "check", BRIDGE_MAPPING_FILE=str(mapping), LOG_LEVEL="loud")
    assert bridge.ends(20)[0] == 2
    assert f"BRIDGE_MAPPING_FILE='{mapping}:4': metrics[0].kind is 'gage'; write gauge" in bridge.log()
    assert "LOG_LEVEL='loud'" in bridge.log()
    assert "Traceback" not in bridge.log()


def test_headers_arrive_and_no_line_at_any_level_shows_them(
    start: Callable[..., Bridge], collector: Collector, refused_port: int
):
    secret = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret,x-tenant=t3nant", "LOG_LEVEL": "DEBUG"}
    bridge = start(collector.port, **secret)
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a delivery")
    assert collector.metadata["authorization"] == "Bearer s3cret"
    assert collector.metadata["x-tenant"] == "t3nant"
    bridge.process.terminate()
    bridge.ends(20)
    said = bridge.log()
    bridge = start(refused_port, **secret)
    bridge.write(0.5)
    wait_until(lambda: "delivery fails" in bridge.log(), within=20, what="it says that delivery fails")
    said += bridge.log()
    bridge = start(refused_port, **secret, COLLECTION_INTERVAL="soon")
    bridge.ends(20)
    said += bridge.log()
    assert "COLLECTION_INTERVAL='soon'" in said
    assert "s3cret" not in said
    assert "t3nant" not in said


def test_the_resource_and_the_service_name_arrive(start: Callable[..., Bridge], collector: Collector):
    bridge = start(
        collector.port, OTEL_SERVICE_NAME="digits", OTEL_RESOURCE_ATTRIBUTES="team=vision%20lab,service.name=x"
    )
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a delivery")
    instance = {"service.instance.id": os.uname().nodename}
    assert collector.resource == instance | {"service.name": "digits", "team": "vision lab"}


def test_a_log_of_json_is_json_in_every_line_from_the_first_to_the_last(
    start: Callable[..., Bridge], collector: Collector
):
    bridge = start(collector.port, BRIDGE_LOG_FORMAT="json", LOG_LEVEL="DEBUG")
    bridge.file.write_text("{")
    wait_until(lambda: "ERROR" in bridge.log(), within=20, what="it says that the file is broken")
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a delivery")
    bridge.process.terminate()
    assert bridge.ends(20)[0] == 0
    lines = [json.loads(line) for line in bridge.log().splitlines()]
    assert all(line.keys() == {"time", "level", "logger", "message"} for line in lines)
    assert "reads" in lines[0]["message"]
    assert lines[-1]["message"].startswith("stopped: ")
    told = " ".join(line["message"] for line in lines)
    assert told.count("the metrics file is broken") == 1
    assert "the metrics file is whole again" in told


def test_the_marker_ends_it_with_0_after_the_jobs_last_write_was_delivered(
    start: Callable[..., Bridge], collector: Collector, tmp_path: Path
):
    marker = tmp_path / "done"
    bridge = start(collector.port, BRIDGE_EXIT_MARKER=str(marker))
    bridge.write(0.5)
    wait_until(lambda: collector.losses, within=20, what="a delivery")
    bridge.write(0.125)
    marker.touch()
    assert bridge.ends(20)[0] == 0
    assert collector.losses[-1] == 0.125
    assert f"ending by itself: {marker} is there" in bridge.log()


def test_an_idle_file_ends_it_with_0_where_that_is_asked_for(start: Callable[..., Bridge], collector: Collector):
    bridge = start(collector.port, BRIDGE_EXIT_AFTER_IDLE="1")
    bridge.write(0.5)
    assert bridge.ends(20)[0] == 0
    assert "ending by itself: no new reading for 1 s" in bridge.log()
    assert set(collector.losses) == {0.5}


def test_a_file_that_never_comes_ends_it_with_0_where_that_is_asked_for(
    start: Callable[..., Bridge], collector: Collector
):
    bridge = start(collector.port, BRIDGE_EXIT_WITHOUT_FILE="1", BRIDGE_EXIT_AFTER_IDLE="600")
    assert bridge.ends(20)[0] == 0
    assert "ending by itself: no first reading for 1 s" in bridge.log()
    assert collector.requests == []


def test_a_disabled_bridge_runs_and_sends_nothing(start: Callable[..., Bridge], collector: Collector):
    bridge = start(collector.port, OTEL_SDK_DISABLED="true", LOG_LEVEL="DEBUG")
    wait_until(lambda: "is not there" in bridge.log(), within=20, what="it looks")
    bridge.write(0.5)
    bridge.process.terminate()
    assert bridge.ends(20)[0] == 0
    assert "no metric will be sent" in bridge.log()
    assert collector.requests == []


def test_a_ctrl_c_while_a_command_is_imported_costs_no_traceback():
    script = (
        "import os, signal, sys, types\n"
        "commands = sys.modules['bridge.commands'] = types.ModuleType('bridge.commands')\n"
        "commands.parser = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "from bridge.__main__ import main\n"
        "main(['check'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_where_its_packages_are_missing_it_names_the_mend(tmp_path: Path):
    bare = [sys.executable, "-S", "-m", "bridge"]  # -S: without site-packages
    path = os.environ | {"PYTHONPATH": str(alone("bridge", tmp_path))}
    done = subprocess.run(bare, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "is not installed: pip install" in done.stderr
    assert "Traceback" not in done.stderr

"""Real gRPC servers behind one small vocabulary: the Collector (Go), grpcio's (C core), @grpc/grpc-js (Node)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge import otlp
from bridge.endpoint import Endpoint
from harness.waiting import wait_until

ROOT = Path(__file__).parents[2]
NODE_PROJECT = Path(__file__).parent / "node"
NODE_FOLDER = ROOT / ".tools" / "node"


@dataclass(frozen=True)
class ServerTls:
    key: Path
    certificates: Path
    authority: Path | None = None
    """Whom a caller's certificate must be signed by; None: none is asked for."""


@dataclass(frozen=True)
class Start:
    tls: ServerTls | None = None
    unix_path: Path | None = None
    connection_age_seconds: float | None = None


class RealServer(Protocol):
    endpoint: Endpoint

    def start(self, told: Start) -> None:
        """Start, or start again at the same place."""

    def stop(self) -> None: ...

    def received(self) -> list[int]:
        """The values of the points that came, in order."""


def request(*values: int, note: str = "") -> bytes:
    """One serialized request with a point for each value."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="test.value", description=note)
    for value in values:
        metric.gauge.data_points.add(as_int=value, time_unix_nano=1)
    return message.SerializeToString()


def values(serialized: bytes) -> list[int]:
    message = ExportMetricsServiceRequest.FromString(serialized)
    return [
        point.as_int
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.gauge.data_points
    ]


def wanted(metadata: Sequence[tuple[str, str | bytes]]) -> dict[str, Any]:
    """What a request's x-want header asks a server to answer."""
    return json.loads(dict(metadata).get("x-want", "{}"))


class CoreServer:
    """grpcio's own server."""

    def __init__(self, folder: Path) -> None:
        del folder
        self.bodies: list[bytes] = []
        self._port = 0
        self._release = threading.Event()

    def start(self, told: Start) -> None:
        options = [("grpc.so_reuseport", 0)]
        if told.connection_age_seconds is not None:
            options.append(("grpc.max_connection_age_ms", int(told.connection_age_seconds * 1000)))
        self._release.clear()
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        method = grpc.unary_unary_rpc_method_handler(self._take)
        service, _, name = otlp.METHOD[1:].partition("/")
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: method}),))
        target = f"unix:{told.unix_path}" if told.unix_path else f"127.0.0.1:{self._port}"
        if told.tls:
            pair = (told.tls.key.read_bytes(), told.tls.certificates.read_bytes())
            authority = told.tls.authority.read_bytes() if told.tls.authority else None
            credentials = grpc.ssl_server_credentials([pair], authority, authority is not None)
            self._port = self._server.add_secure_port(target, credentials)
        else:
            self._port = self._server.add_insecure_port(target)
        self._server.start()
        self.endpoint = at(self._port, told)

    def stop(self) -> None:
        self._release.set()
        self._server.stop(None).wait(5)

    def received(self) -> list[int]:
        return [value for body in self.bodies for value in values(body)]

    def _take(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        self.bodies.append(body)
        want = wanted(context.invocation_metadata())
        if want.get("hang"):
            self._release.wait(10)
        if "details" in want:
            context.set_trailing_metadata((("grpc-status-details-bin", bytes.fromhex(want["details"])),))
        if "status" in want:
            code = next(code for code in grpc.StatusCode if code.value[0] == want["status"])
            context.abort(code, want.get("message", ""))
        return bytes.fromhex(want.get("body", ""))


class ProcessServer:
    """A server in a process of its own, whose output goes to a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def _run(self, command: list[str], environ: dict[str, str], ready: str) -> None:
        began = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
        wait_until(
            lambda: ready in self._said()[began:] or self._process.poll() is not None,
            within=20,
            what=f"{ready!r} in {self._log}",
        )
        assert self._process.poll() is None, self._said()[began:]

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


class NodeServer(ProcessServer):
    """@grpc/grpc-js, installed once at the version of tests/integration/node/package-lock.json."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = 0
        if shutil.which("node") is None or shutil.which("npm") is None:
            pytest.skip("Node is not installed: no node or no npm on PATH")
        install_node_packages()

    def start(self, told: Start) -> None:
        channel = {}
        if told.connection_age_seconds is not None:
            channel["grpc.max_connection_age_ms"] = int(told.connection_age_seconds * 1000)
        options: dict[str, Any] = {
            "address": f"unix:{told.unix_path}" if told.unix_path else f"127.0.0.1:{self._port}",
            "channel": channel,
        }
        if told.tls:
            options |= {"key": str(told.tls.key), "certificates": str(told.tls.certificates)}
            options["authority"] = str(told.tls.authority) if told.tls.authority else None
        environ = os.environ | {"NODE_PATH": str(NODE_FOLDER / "node_modules")}
        self._run(["node", str(NODE_PROJECT / "server.js"), json.dumps(options)], environ, "port ")
        wait_until(lambda: self._said().endswith("\n"), within=5, what="a whole line")
        self._port = int([line for line in self._said().splitlines() if line.startswith("port ")][-1].split()[1])
        self.endpoint = at(self._port, told)

    def received(self) -> list[int]:
        bodies = [line for line in self._said().splitlines() if not line.startswith("port ")]
        return [value for body in bodies for value in values(base64.b64decode(body))]


class Collector(ProcessServer):
    """The real Collector. It passes on at once what it takes and what it is answered: a sink of ours stands behind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        found = shutil.which("otelcol") or str(ROOT / ".tools" / "bin" / "otelcol")
        if not Path(found).exists():
            pytest.skip("the Collector is not built: no otelcol on PATH or in .tools/bin (nox -s tools)")
        self._program = found
        self._sink = CoreServer(folder)
        self._sink.start(Start())
        self._port = free_port()

    def start(self, told: Start) -> None:
        receiver: dict[str, Any] = {"endpoint": f"127.0.0.1:{self._port}", "transport": "tcp", "include_metadata": True}
        if told.unix_path:
            receiver |= {"endpoint": str(told.unix_path), "transport": "unix"}
        if told.connection_age_seconds is not None:
            age = f"{told.connection_age_seconds}s"
            receiver["keepalive"] = {"server_parameters": {"max_connection_age": age}}
        if told.tls:
            receiver["tls"] = {"cert_file": str(told.tls.certificates), "key_file": str(told.tls.key)}
            if told.tls.authority:
                receiver["tls"]["client_ca_file"] = str(told.tls.authority)
        exporter = {
            "endpoint": f"127.0.0.1:{self._sink.endpoint.port}",
            "tls": {"insecure": True},
            "sending_queue": {"enabled": False},
            "retry_on_failure": {"enabled": False},
        }
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": receiver}}},
            "exporters": {"otlp": exporter},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["otlp"]}},
            },
        }
        path = self._folder / "collector.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # YAML knows JSON
        self._run([self._program, "--config", str(path)], dict(os.environ), "Everything is ready")
        self.endpoint = at(self._port, told)

    def close(self) -> None:
        self.stop()
        self._sink.stop()

    def received(self) -> list[int]:
        return self._sink.received()


SERVERS = {"collector-go": Collector, "grpcio-c-core": CoreServer, "grpc-js-node": NodeServer}


def at(port: int, told: Start) -> Endpoint:
    """Where a server listens, without TLS: that is the caller's to say."""
    if told.unix_path:
        return Endpoint("localhost", 0, unix_path=str(told.unix_path))
    return Endpoint("localhost", port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def install_node_packages() -> None:
    """Bring the pinned packages into .tools/node, once."""
    lock = (NODE_PROJECT / "package-lock.json").read_bytes()
    mark = NODE_FOLDER / "installed-lock.json"
    if mark.exists() and mark.read_bytes() == lock:
        return
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE_PROJECT / name, NODE_FOLDER / name)
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607 - npm is found on PATH
        cwd=NODE_FOLDER,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    if done.returncode:
        pytest.skip(f"npm could not bring @grpc/grpc-js: {done.stdout.strip()[-300:]}")
    mark.write_bytes(lock)

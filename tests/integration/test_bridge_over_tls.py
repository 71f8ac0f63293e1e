"""The whole bridge as a process: from its environment over TLS, mutual TLS and a unix socket to a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.transports.authority import Authority
from tests.integration.real_servers import ROOT, CoreServer, ServerTls, Start

FILE = ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CoreServer]:
    server = CoreServer(tmp_path)
    yield server
    server.stop()


def once(transport: str, **environ: str) -> tuple[int, list[dict[str, str]]]:
    """One delivery; its exit code and its log, in which every line must be ours."""
    own = {"METRICS_FILE_PATH": str(FILE), "BRIDGE_LOG_FORMAT": "json", "BRIDGE_SHUTDOWN_BUDGET": "1.5"}
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "once"],
        env=os.environ | own | {"BRIDGE_TRANSPORT": transport} | environ,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]


def with_mutual_tls(authority: Authority, folder: Path) -> Start:
    key, certificates = authority.server_files()
    (folder / "server.key").write_bytes(key)
    (folder / "server.pem").write_bytes(certificates)
    return Start(ServerTls(folder / "server.key", folder / "server.pem", authority.path))


@pytest.mark.parametrize("transport", ["http2", "grpcio"])
def test_one_update_goes_over_mutual_tls(server: CoreServer, authority: Authority, tmp_path: Path, transport: str):
    server.start(with_mutual_tls(authority, tmp_path))
    certificate, key = authority.client()
    code, _ = once(
        transport,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"localhost:{server.endpoint.port}",
        OTEL_EXPORTER_OTLP_INSECURE="false",
        OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=str(authority.path),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(certificate),
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(key),
    )
    assert code == 0
    assert len(server.bodies) == 1


@pytest.mark.parametrize("transport", ["http2", "grpcio"])
def test_a_collector_that_is_not_trusted_gets_nothing_and_the_log_has_no_line_but_ours(
    server: CoreServer, authority: Authority, tmp_path: Path, transport: str
):
    server.start(with_mutual_tls(authority, tmp_path))
    stranger = Authority(tmp_path, "stranger")
    code, log = once(
        transport,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{server.endpoint.port}",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(stranger.path),
    )
    assert code == 1
    assert server.bodies == []
    assert any("certificate" in str(line).lower() for line in log)


@pytest.mark.parametrize("transport", ["http2", "grpcio"])
def test_one_update_goes_over_a_unix_socket(server: CoreServer, tmp_path: Path, transport: str):
    server.start(Start(unix_path=tmp_path / "collector.sock"))
    code, _ = once(transport, OTEL_EXPORTER_OTLP_ENDPOINT=f"unix://{tmp_path}/collector.sock")
    assert code == 0
    assert len(server.bodies) == 1


def test_a_guess_and_unused_certificates_are_told_in_one_line_each(server: CoreServer, authority: Authority):
    server.start(Start())
    for scheme, told in (("", 1), ("http://", 0)):
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge"],
            env=os.environ
            | {
                "METRICS_FILE_PATH": str(FILE),
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}localhost:{server.endpoint.port}",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.path),
            },
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "first delivery" in line:
                process.terminate()
        process.stderr.close()
        assert process.wait(10) == 0
        assert sum("names no scheme" in line for line in lines) == told
        assert sum("they are not used" in line for line in lines) == 1

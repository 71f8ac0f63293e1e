"""The image's health check, as the Dockerfile has it, asked of the bridge's own endpoint; in containers: tests/e2e."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.delivery import Bounds, Delivery
from bridge.health import Health, HealthServer
from bridge.loop import LoopStats

ROOT = Path(__file__).parent.parent
IPV6 = socket.has_dualstack_ipv6()


def health_check() -> list[str]:
    """The command that Docker runs: JSON in the Dockerfile, with its lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    (line,) = (line for line in text.splitlines() if line.startswith("HEALTHCHECK "))
    return json.loads(line[line.index("[") :])


def exit_code(**environ: str) -> int:
    path = str(Path(shutil.which("bash") or "/bin/bash").parent)
    done = subprocess.run(
        health_check(), check=False, capture_output=True, text=True, env={"PATH": path} | environ, timeout=30
    )
    return done.returncode


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Lets a bridge answer at an address, and gives the port."""
    servers: list[HealthServer] = []

    def start(host: str, *, is_live: bool = True) -> str:
        loop = LoopStats(
            reads={}, left_out={}, broken_ticks=0, ticked_at_seconds=None, news_at_seconds=None, trouble=None
        )
        stats = Delivery(Bounds(), None).stats()
        health = Health(
            interval_seconds=1000.0,
            loop=lambda: loop,
            sender=lambda: stats,
            sender_is_alive=lambda: is_live,
            clock=time.monotonic,
        )
        servers.append(HealthServer(health, host, 0))
        return str(servers[-1].port)

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104
        pytest.param("::1", marks=pytest.mark.skipif(not IPV6, reason="there is no IPv6 here")),
        pytest.param("::", marks=pytest.mark.skipif(not IPV6, reason="there is no IPv6 here")),
        pytest.param("0::0", marks=pytest.mark.skipif(not IPV6, reason="there is no IPv6 here")),
    ],
)
def test_it_asks_at_the_address_and_the_port_that_the_bridge_was_given(serve: Callable[..., str], host: str):
    port = serve(host)
    assert exit_code(BRIDGE_HEALTH_PORT=port, BRIDGE_HEALTH_HOST=host) == 0
    assert exit_code(BRIDGE_HEALTH_PORT=f" 0{port} ", BRIDGE_HEALTH_HOST=f" {host} ") == 0, "as the bridge reads it"


def test_without_an_address_it_asks_at_loopback_as_the_bridge_listens_there(serve: Callable[..., str]):
    port = serve("127.0.0.1")
    assert exit_code(BRIDGE_HEALTH_PORT=port) == exit_code(BRIDGE_HEALTH_PORT=port, BRIDGE_HEALTH_HOST=" ") == 0


@pytest.mark.parametrize("port", ["0", "", " ", "000"])
def test_where_the_endpoint_is_switched_off_a_container_that_runs_is_healthy(port: str):
    assert exit_code(BRIDGE_HEALTH_PORT=port, BRIDGE_HEALTH_HOST="127.0.0.1") == 0


def test_a_bridge_that_is_not_live_or_not_there_or_elsewhere_is_not_healthy(serve: Callable[..., str]):
    assert exit_code(BRIDGE_HEALTH_PORT=serve("127.0.0.1", is_live=False)) == 1
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = str(closed.getsockname()[1])
    assert exit_code(BRIDGE_HEALTH_PORT=port) == 1
    assert exit_code(BRIDGE_HEALTH_PORT=serve("127.0.0.2"), BRIDGE_HEALTH_HOST="127.0.0.1") == 1

"""The local rig with the real programs: every fault that needs them takes, is seen, heals; and none is believed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from harness import faults
from harness.faults import FAULTS, FaultError
from harness.faults.http2_probe import Dialled
from harness.observers.sink import EXPORT_METHOD
from harness.ports import HeldPort
from harness.processes import Processes
from harness.rigs import RIGS, Setting
from harness.rigs.embedded import EmbeddedStanding
from harness.rigs.local import LocalStanding
from harness.rigs.toxiproxy_doors import SILENCE
from harness.scenario import Scenario
from harness.toxiproxy import Toxic
from harness.waiting import Patience, wait_until

pytestmark = pytest.mark.skipif(bool(RIGS["local"].lacking()), reason="; ".join(RIGS["local"].lacking()))

PARAMETERS = {"network-slow-close": {"delay": "600ms"}, "network-reset": {"after": "50ms"}}
OF_NETWORK = [name for name, kind in FAULTS.items() if "toxiproxy" in kind.needs]
OF_WAY = ["collector-refused", "collector-silent", "collector-killed", "collector-full"]


class LyingNetwork(Dialled):
    """Says that every toxic is in place and does nothing: the port of a healthy collector behind it."""

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        self.port = port
        self.said: tuple[Toxic, ...] = ()

    def spoil(self, toxics: tuple[Toxic, ...], *, reconnect: bool) -> None:
        del reconnect
        self.said = toxics

    def mend(self, toxics: tuple[Toxic, ...]) -> None:
        """Do nothing."""

    def toxics(self) -> tuple[Toxic, ...]:
        return self.said

    def cut(self) -> None:
        """Do nothing."""


@pytest.fixture
def standing(short: Callable[..., Scenario], processes: Processes, tmp_path: Path) -> Iterator[LocalStanding]:
    """The local rig as a scenario with a full Collector needs it."""
    of = short(timeline=[{"fault": "collector-full", "for": 1.0}])
    up = RIGS["local"].up(Setting(of, tmp_path, 1, processes, Patience(threading.Event())))
    yield up
    up.down()


def request_of(*, loss: float) -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="ml.training.loss")
    metric.gauge.data_points.add(as_double=loss, time_unix_nano=1_000_000_000)
    return request.SerializeToString()


def export(port: int) -> None:
    """Make one Export call where the bridge makes its own."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary(EXPORT_METHOD, None, None)(request_of(loss=0.5), timeout=5, wait_for_ready=True)


def test_what_the_bridge_sends_reaches_the_sink_with_its_own_times(standing: LocalStanding, tmp_path: Path):
    export(standing.ground.collector.port)
    assert standing.deliveries().points == 1
    (line,) = (tmp_path / "exports.jsonl").read_text().splitlines()
    (point,) = json.loads(line)["points"]
    assert (point["metric"], point["value"], point["time_unix_nano"]) == ("ml.training.loss", 0.5, 1_000_000_000)
    wait_until(lambda: '"connections": 1' in (tmp_path / "wire.jsonl").read_text(), within=5, what="the bytes counted")


@pytest.mark.parametrize("name", [*OF_NETWORK, *OF_WAY])
def test_a_fault_is_seen_only_between_inject_and_heal(name: str, standing: LocalStanding):
    fault = faults.build(name, PARAMETERS.get(name, {}), standing.ground)
    before = fault.verify()
    assert not before.ok, before.evidence
    assert fault.inject()
    for _ in range(2):
        while_it_holds = fault.verify()
        assert while_it_holds.ok, while_it_holds.evidence
    assert fault.heal()
    after = fault.verify()
    assert not after.ok, after.evidence
    export(standing.ground.collector.port)
    assert standing.deliveries().points == 1


@pytest.mark.parametrize("name", OF_NETWORK)
def test_a_network_that_only_says_that_it_is_bad_is_found_out(name: str, standing: LocalStanding):
    lying = LyingNetwork(standing.ground.collector.port)
    fault = faults.build(name, PARAMETERS.get(name, {}), replace(standing.ground, network=lying))
    fault.inject()
    seen = fault.verify()
    assert not seen.ok, seen.evidence
    assert "Toxiproxy has no" not in seen.evidence


def test_a_network_that_is_bad_for_another_reason_is_not_taken_for_the_fault(standing: LocalStanding):
    door = standing.ground.network
    assert door is not None
    door.spoil(SILENCE, reconnect=False)
    seen = faults.build("network-reset", {}, standing.ground).verify()
    assert not seen.ok
    assert "Toxiproxy has no reset_peer_upstream" in seen.evidence


def test_a_disabled_proxys_port_is_nobody_elses(standing: LocalStanding):
    standing.ground.collector.set_mode("refuse")
    with socket.socket() as neighbour, pytest.raises(OSError, match="in use"):
        neighbour.bind(("127.0.0.1", standing.ground.collector.port))


def test_a_program_can_listen_on_a_held_port_as_often_as_it_likes():
    held = HeldPort()
    for _ in range(3):
        with socket.socket() as program:
            program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            program.bind(("127.0.0.1", held.number))
            program.listen()
            socket.create_connection(("127.0.0.1", held.number), 1).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", held.number), 1)
    held.close()


@pytest.mark.parametrize("name", [*OF_NETWORK, "collector-full"])
def test_a_rig_without_the_real_thing_cannot_take_the_fault_and_says_where_it_can(
    name: str, short: Callable[..., Scenario], processes: Processes, tmp_path: Path
):
    up = RIGS["embedded"].up(Setting(short(), tmp_path, 1, processes, Patience(threading.Event())))
    assert isinstance(up, EmbeddedStanding)
    with pytest.raises(FaultError, match="--rig local"):
        faults.build(name, {}, up.ground).inject()
    up.down()

"""What a run makes at the engine, and that nothing of it stays; the engine is a stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.child_environment import child_environment
from harness.docker_engine import DockerEngine
from harness.doctor import draw, examine
from harness.processes import ProcessError, Processes
from harness.rigs.compose import Compose
from harness.rigs.compose_project import Service
from harness.rigs.contract import RigError
from harness.rigs.run_containers import RunContainers
from harness.waiting import wait_until
from tests.harness.fake_engine import FakeEngine

ROOT = Path(__file__).parent.parent.parent
BASE = {
    "services": {
        "bridge": {"image": "ml-metrics-bridge:dev"},
        "collector": {"image": "otel:1"},
        "toxiproxy": {"image": "toxiproxy:1"},
        "prometheus": {"image": "prometheus:1"},
    }
}


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def containers(fake: FakeEngine, processes: Processes, tmp_path: Path) -> RunContainers:
    (fake.folder / "images").write_text("ml-metrics-bridge:dev otel:1")
    return RunContainers(fake.engine, processes, BASE, tmp_path)


def test_the_network_leads_nowhere_and_has_an_address_of_this_machine(fake: FakeEngine, containers: RunContainers):
    assert containers.gateway == "127.0.0.1"
    assert fake.networks() == [containers.project]
    (made,) = [line for line in fake.said() if line.startswith("network create")]
    assert "--internal" in made


def test_containers_are_only_made_and_are_removed_before_their_network(fake: FakeEngine, containers: RunContainers):
    containers.create(Service("collector", "collector"))
    containers.create(Service("bridge", "bridge"))
    assert fake.containers() == [containers.name("bridge"), containers.name("collector")]
    assert not [line for line in fake.said() if line.startswith("start")]
    containers.remove()
    assert (fake.containers(), fake.networks()) == ([], [])
    removed = [line.partition(" rm ")[2] or line for line in fake.said() if line.startswith(("rm ", "network rm"))]
    assert removed == [
        f"rm --force --volumes {containers.name('bridge')} {containers.name('collector')}",
        containers.project,
    ]


def test_two_runs_share_no_name(fake: FakeEngine, processes: Processes, tmp_path: Path):
    first = RunContainers(fake.engine, processes, BASE, tmp_path)
    second = RunContainers(fake.engine, processes, BASE, tmp_path)
    assert first.project != second.project
    first.remove()
    assert fake.networks() == [second.project]


def test_a_container_that_was_started_is_one_of_the_runs_processes(
    containers: RunContainers, processes: Processes, events: list[tuple[float, str, str, dict[str, object]]]
):
    containers.create(Service("bridge", "bridge"))
    started = containers.start("bridge")
    assert started.wait(20) is not None
    assert not processes.stop_all()
    assert [(role, action) for _, role, action, _ in events] == [("bridge", "started"), ("bridge", "exited")]
    assert events[0][3]["image_id"] == "sha256:abc"  # a name may mean another one tomorrow


def test_what_the_engine_refuses_is_an_error_and_leaves_nothing(fake: FakeEngine, processes: Processes, tmp_path: Path):
    (fake.folder / "broken").write_text("could not find an available, non-overlapping IPv4 address pool")
    with pytest.raises(RigError, match="no network can be made: could not find an available"):
        RunContainers(fake.engine, processes, BASE, tmp_path)
    assert fake.networks() == []


def test_an_image_that_is_not_there_is_said_before_anything_is_made(fake: FakeEngine, containers: RunContainers):
    with pytest.raises(RigError, match="there is no image no-such:1 for the bridge: build it, or pull it"):
        containers.create(Service("collector", "collector"), Service("bridge", "bridge", image="no-such:1"))
    assert fake.containers() == []


def test_a_service_that_the_file_has_not_is_an_error(containers: RunContainers):
    with pytest.raises(RigError, match="has no service 'spare'"):
        containers.create(Service("spare", "spare"))


def test_an_address_is_asked_of_the_engine_for_the_runs_own_network(fake: FakeEngine, containers: RunContainers):
    containers.create(Service("bridge", "bridge"))
    with pytest.raises(RigError, match="the bridge's container has no address in the run's network"):
        containers.address("bridge")  # it is in another one
    path = fake.folder / "containers" / f"{containers.name('bridge')}.json"
    container = json.loads(path.read_text())
    container["NetworkSettings"]["Networks"] = {containers.project: {"IPAddress": "172.31.0.9"}}
    path.write_text(json.dumps(container))
    assert containers.address("bridge") == "172.31.0.9"


def test_what_could_not_be_removed_is_removed_at_the_runs_end(
    fake: FakeEngine, containers: RunContainers, processes: Processes
):
    containers.create(Service("bridge", "bridge"))
    (fake.folder / "broken").write_text("the engine is busy")
    containers.remove()
    (fake.folder / "broken").unlink()
    assert fake.networks() == [containers.project]
    processes.close()
    assert (fake.containers(), fake.networks()) == ([], [])


def test_nothing_is_made_after_the_runs_end(fake: FakeEngine, processes: Processes, tmp_path: Path):
    processes.close()
    with pytest.raises((RigError, ProcessError), match="the run is over"):
        RunContainers(fake.engine, processes, BASE, tmp_path)
    assert fake.networks() == []


KILLED = """
import sys, time
from pathlib import Path
from harness.docker_engine import DockerEngine
from harness.processes import Processes
from harness.rigs.compose_project import Service
from harness.rigs.run_containers import RunContainers
base = {{"services": {{"bridge": {{"image": "otel:1"}}, "collector": {{"image": "otel:1"}}}}}}
containers = RunContainers(DockerEngine({client!r}), Processes(lambda *_: None), base, Path({run_dir!r}))
containers.create(Service("collector", "collector"), Service("bridge", "bridge"))
containers.start("bridge")
print("up", flush=True)
time.sleep(600)
"""


def test_no_container_outlives_a_killed_harness(fake: FakeEngine, tmp_path: Path):
    (fake.folder / "images").write_text("otel:1")
    script = KILLED.format(client=fake.engine.program, run_dir=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=child_environment({})) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"up\n"
        assert len(fake.containers()) == 2
        harness.kill()
    wait_until(lambda: not fake.containers() and not fake.networks(), within=30, what="everything is removed")


# --- the rig


@pytest.fixture
def rig(fake: FakeEngine, tmp_path: Path) -> Compose:
    file = tmp_path / "docker-compose.yml"
    file.write_text(json.dumps(BASE))
    return Compose(engine=fake.engine, file=file)


def test_a_bridges_image_that_is_not_here_is_an_objection_to_its_command(fake: FakeEngine, rig: Compose):
    (fake.folder / "images").write_text("mine:1\n")
    assert rig.objection(["image:mine:1", "--x"]) is None
    assert rig.objection(["image:mine:2", "--x"]) == "there is no image mine:2 here: build it, or pull it"
    assert rig.objection(["a-program", "of-the-bridges-image"]) is None  # that one is `lacking`'s business
    assert Compose(engine=DockerEngine("no-such-docker")).objection(["image:mine:2"]) is None


def test_missing_images_are_named_each_with_how_to_get_it(fake: FakeEngine, rig: Compose):
    (fake.folder / "images").write_text("otel:1\ntoxiproxy:1\n")
    bridge, prometheus = rig.lacking()
    assert bridge.startswith("the image ml-metrics-bridge:dev: build it with `docker compose build bridge`")
    assert prometheus.startswith("the image prometheus:1: get it with")


def test_nothing_is_lacking_where_all_images_are(fake: FakeEngine, rig: Compose):
    (fake.folder / "images").write_text("ml-metrics-bridge:dev otel:1 toxiproxy:1 prometheus:1")
    assert rig.lacking() == ()
    assert rig.versions()[0].startswith("Docker 28")
    assert "otel:1 (0123456789ab)" in rig.versions()


def test_a_list_of_scenarios_asks_the_engine_once(fake: FakeEngine, rig: Compose):
    assert rig.lacking() == rig.lacking()
    assert len([line for line in fake.said() if line.startswith("version")]) == 1


def test_without_an_engine_there_is_one_sentence(fake: FakeEngine, rig: Compose):
    (fake.folder / "broken").write_text("Cannot connect to the Docker daemon")
    (sentence,) = rig.lacking()
    assert "the Docker engine does not answer (Cannot connect" in sentence
    assert "--rig local" in sentence
    assert "--rig embedded" in sentence
    assert rig.versions() == ()


def test_without_docker_the_doctor_points_to_what_works_without():
    said = draw(examine(["compose"], rigs={"compose": Compose(engine=DockerEngine("no-such-docker"))}))
    assert said.startswith("compose: cannot run here")
    assert "'no-such-docker' is not on PATH" in said
    assert "without it, --rig local runs scenarios" in said
    assert "--rig embedded with Python alone" in said


def test_an_installed_package_says_that_it_has_no_compose_file(fake: FakeEngine, tmp_path: Path):
    (sentence,) = Compose(engine=fake.engine, file=tmp_path / "none.yml").lacking()
    assert "run it from a checkout" in sentence


def test_a_compose_file_without_the_services_is_told(fake: FakeEngine, tmp_path: Path):
    file = tmp_path / "docker-compose.yml"
    file.write_text(json.dumps({"services": {"collector": {"image": "otel:1"}}}))
    (sentence,) = Compose(engine=fake.engine, file=file).lacking()
    assert "has no service 'toxiproxy'" in sentence

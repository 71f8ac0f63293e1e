from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness import docker_engine
from harness.docker_engine import DockerEngine, DockerError
from tests.harness.fake_engine import FakeEngine


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


def test_nothing_is_lacking_where_client_engine_and_compose_answer(fake: FakeEngine):
    assert fake.engine.lacking() is None
    assert fake.engine.versions() == ("Docker 28.0 (client 28.1)", "docker compose 2.40")


def test_a_machine_without_the_client_is_told_where_to_get_it():
    lacking = DockerEngine("no-such-docker").lacking()
    assert lacking is not None
    assert "'no-such-docker' is not on PATH: install Docker Engine" in lacking


def test_an_engine_that_does_not_answer_is_told_with_its_own_words(fake: FakeEngine):
    (fake.folder / "broken").write_text("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    lacking = fake.engine.lacking()
    assert lacking is not None
    assert lacking.startswith("the Docker engine does not answer (Cannot connect to the Docker daemon at")
    assert "start it" in lacking


def test_a_client_without_compose_is_told(fake: FakeEngine):
    (fake.folder / "no-compose").touch()
    assert "no compose plugin" in str(fake.engine.lacking())


def test_an_engine_on_another_machine_is_of_no_use(fake: FakeEngine):
    (fake.folder / "kernel").write_text(f"{os.uname().release}-linuxkit")
    assert "another machine" in str(fake.engine.lacking())


def test_an_image_that_is_not_there_is_none_and_no_error(fake: FakeEngine):
    (fake.folder / "images").write_text("there:1\n")
    assert fake.engine.image_id("there:1") == "sha256:0123456789abcdef"
    assert fake.engine.image_id("missing:1") is None
    (fake.folder / "broken").write_text("Cannot connect")
    with pytest.raises(DockerError, match="Cannot connect"):
        fake.engine.image_id("there:1")


def test_a_containers_state_has_its_addresses_and_its_limit(fake: FakeEngine):
    fake.lay_down("one", "", memory=64 * 2**20)
    state = fake.engine.state("one")
    assert state.addresses == {"net": "172.30.0.2"}
    assert state.memory_limit_bytes == 64 * 2**20
    fake.lay_down("two", "")
    assert fake.engine.state("two").memory_limit_bytes is None


def test_an_answer_that_is_none_is_an_error(fake: FakeEngine):
    (fake.folder / "containers" / "odd.json").write_text('{"Id": "x"}')
    with pytest.raises(DockerError, match="the engine's answer about odd is not understood"):
        fake.engine.state("odd")


def test_every_call_is_bounded_in_time(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(docker_engine, "ANSWER_SECONDS", 0.2)
    with pytest.raises(DockerError, match=r"docker slow did not end within 0\.2 s"):
        fake.engine.ask("slow")


def test_a_refusal_is_one_sentence_without_the_clients_decoration(fake: FakeEngine):
    with pytest.raises(DockerError, match=r"^No such container: nobody$"):
        fake.engine.ask("container", "inspect", "nobody")


def test_a_client_that_cannot_be_run_is_an_error(tmp_path: Path):
    client = tmp_path / "docker"
    client.write_text("no program\n")
    client.chmod(0o644)
    with pytest.raises(DockerError, match="cannot be run: Permission denied"):
        DockerEngine(str(client)).ask("version")


def test_a_signal_by_the_engine_says_whether_it_arrived(fake: FakeEngine):
    assert not fake.engine.send_signal("nobody", signal.SIGTERM)

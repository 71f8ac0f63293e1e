"""One run's compose project, from a docker-compose.yml made by hand; no Docker, no I/O."""

from __future__ import annotations

from typing import Any

import pytest

from harness.rigs.bridge_image import IMAGE, BridgeImage, parse
from harness.rigs.compose_project import LABEL, Mount, Service, document
from harness.rigs.contract import RigError

BASE = {
    "name": "the-users-own",
    "services": {
        "bridge": {
            "image": "ml-metrics-bridge:dev",
            "build": {"context": "."},
            "hostname": "bridge",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": "67108864",
            "cpus": 0.2,
            "pids_limit": 16,
            "command": None,
            "environment": {"COLLECTION_INTERVAL": "2"},
            "volumes": [{"type": "volume", "source": "metrics", "target": "/shared/metrics"}],
            "networks": {"default": None},
            "depends_on": {"volume": {"condition": "service_completed_successfully"}},
            "container_name": "bridge",
        },
        "collector": {"image": "otel:1", "ports": [{"published": "4317"}], "restart": "always", "user": "7:7"},
    },
}


def made(*services: Service) -> dict[str, Any]:
    return document(BASE, services, project="harness-7", network="harness-7", mark="7.1")


def test_hardening_and_limits_are_those_of_the_projects_file():
    bridge = made(Service("bridge", "bridge"))["services"]["bridge"]
    assert {
        key: bridge[key] for key in ("read_only", "cap_drop", "security_opt", "cpus", "pids_limit", "hostname")
    } == {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "cpus": 0.2,
        "pids_limit": 16,
        "hostname": "bridge",
    }
    assert bridge["mem_limit"] == bridge["memswap_limit"] == "67108864"  # swap beside it would make it none


def test_nothing_ties_one_run_to_another_or_to_the_users_own_stack():
    whole = made(Service("bridge", "bridge"), Service("collector", "collector"))
    assert whole["name"] == "harness-7"
    assert whole["networks"] == {"default": {"name": "harness-7", "external": True}}
    assert "volumes" not in whole
    for role, service in whole["services"].items():
        assert service["container_name"] == f"harness-7-{role}"
        assert service["labels"] == {LABEL: "7.1"}
        assert not service.keys() & {"ports", "depends_on", "build", "profiles"}
        assert service["volumes"] == []


def test_nothing_starts_restarts_or_is_pulled_by_itself():
    service = made(Service("collector", "collector"))["services"]["collector"]
    assert (service["restart"], service["pull_policy"], service["healthcheck"]) == ("no", "never", {"disable": True})


def test_the_environment_is_the_runs_alone():
    bridge = made(Service("bridge", "bridge", {"LOG_LEVEL": "INFO"}))["services"]["bridge"]
    assert bridge["environment"] == {"LOG_LEVEL": "INFO"}


def test_a_dollar_sign_reaches_the_container_as_it_is():
    bridge = made(Service("bridge", "bridge", {"X": "a$B"}, command=["${Y}"]))["services"]["bridge"]
    assert bridge["environment"]["X"] == "a$$B"
    assert bridge["command"] == ["$${Y}"]


def test_a_mount_is_read_only_unless_told_otherwise_and_never_made_up():
    service = Service("bridge", "bridge", mounts=[Mount("/a", "/b"), Mount("/c", "/d", read_only=False)])
    first, second = made(service)["services"]["bridge"]["volumes"]
    assert first == {
        "type": "bind",
        "source": "/a",
        "target": "/b",
        "read_only": True,
        "bind": {"create_host_path": False},
    }
    assert second["read_only"] is False


def test_a_memory_limit_of_the_run_replaces_the_files_without_swap():
    bridge = made(Service("bridge", "bridge", memory_bytes=40 * 2**20))["services"]["bridge"]
    assert bridge["mem_limit"] == bridge["memswap_limit"] == 40 * 2**20


def test_image_entrypoint_command_and_user_are_the_services_own_unless_given():
    own = made(Service("collector", "collector"))["services"]["collector"]
    assert (own["image"], own["user"]) == ("otel:1", "7:7")
    assert not own.keys() & {"entrypoint", "command"}
    service = Service("collector", "collector", image="x:2", entrypoint=["/x"], command=["y"], user="1:1")
    given = made(service)["services"]["collector"]
    assert (given["image"], given["entrypoint"], given["command"], given["user"]) == ("x:2", ["/x"], ["y"], "1:1")


def test_a_service_that_the_file_has_not_is_an_error():
    with pytest.raises(KeyError, match="toxiproxy"):
        made(Service("toxiproxy", "toxiproxy"))


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["image:mine"], BridgeImage("mine", None, ())),
        (["image:host:5000/mine:1.0", "-f", "x y"], BridgeImage("host:5000/mine:1.0", None, ("-f", "x y"))),
        (["python", "-m", "bridge"], BridgeImage(IMAGE, ("python", "-m", "bridge"), ())),
        (["my-image:tool"], BridgeImage(IMAGE, ("my-image:tool",), ())),
    ],
)  # fmt: skip
def test_a_bridge_is_an_image_or_a_command_inside_the_bridges_own(command: list[str], meant: BridgeImage):
    assert parse(command) == meant


def test_an_image_without_a_name_is_an_error():
    with pytest.raises(RigError, match="names no image: write for example image:my-bridge"):
        parse(["image:"])

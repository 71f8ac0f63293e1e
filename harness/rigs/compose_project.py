"""One run's compose project: docker-compose.yml's services with the run's own folders, addresses and limits. No I/O.

What a service is (image, user, hardening, limits) is taken over as it stands there. What would tie two runs together
is not: published ports, named volumes, names of containers. And nothing starts or restarts by itself: the run does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LABEL = "ml-metrics-bridge.harness"
"""On everything that a run makes at the engine; its value is the run's mark."""
_TAKEN_OVER = (
    "image",
    "user",
    "hostname",
    "read_only",
    "cap_drop",
    "cap_add",
    "security_opt",
    "mem_limit",
    "memswap_limit",
    "cpus",
    "pids_limit",
    "ulimits",
    "tmpfs",
    "stop_grace_period",
    "shm_size",
)
_OUTPUT = {"driver": "local", "options": {"max-size": "10m", "max-file": "1", "compress": "false"}}
"""The engine's own copy of the output; the run's is its log file."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the run in a container."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """One container of a run: which service of docker-compose.yml it is, and what the run gives it."""

    role: str
    """Its name in the run's network, too."""
    of: str
    """The service's name in docker-compose.yml."""
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    tmpfs: Sequence[str] = ()
    image: str | None = None
    """None: the service's own."""
    entrypoint: Sequence[str] | None = None
    """None: the image's own."""
    command: Sequence[str] = ()
    """None at all: the image's own."""
    memory_bytes: int | None = None
    """A limit in place of the service's own, without swap beside it."""
    user: str | None = None
    """None: the service's own, else the image's."""


def document(
    base: Mapping[str, Any], services: Sequence[Service], *, project: str, network: str, mark: str
) -> dict[str, Any]:
    """Return the compose file of one run.

    Args:
        base: docker-compose.yml, as ``docker compose config`` gives it.
        services: the run's containers.
        project: the run's own name at the engine.
        network: an existing network; nothing else is reached.
        mark: for the label.

    Raises:
        KeyError: docker-compose.yml has no such service.
    """
    return {
        "name": project,
        "services": {
            one.role: {"container_name": f"{project}-{one.role}", **_container(base["services"][one.of], one, mark)}
            for one in services
        },
        "networks": {"default": {"name": network, "external": True}},
    }


def _container(base: Mapping[str, Any], one: Service, mark: str) -> dict[str, Any]:
    made = {key: base[key] for key in _TAKEN_OVER if base.get(key) is not None}
    made |= {
        "environment": dict(one.environment),
        "volumes": [
            {"type": "bind", "source": mount.source, "target": mount.target, "read_only": mount.read_only,
             "bind": {"create_host_path": False}}
            for mount in one.mounts
        ],
        "labels": {LABEL: mark},
        "networks": {"default": {"aliases": [one.role]}},
        "restart": "no",
        "pull_policy": "never",
        "healthcheck": {"disable": True},  # nobody asks here, and its processes would be counted as the bridge's
        "logging": _OUTPUT,
    }  # fmt: skip
    if one.tmpfs:
        made["tmpfs"] = list(one.tmpfs)
    if one.image is not None:
        made["image"] = one.image
    if one.entrypoint is not None:
        made["entrypoint"] = list(one.entrypoint)
    if one.command:
        made["command"] = list(one.command)
    if one.user is not None:
        made["user"] = one.user
    if one.memory_bytes is not None:
        made["mem_limit"] = made["memswap_limit"] = one.memory_bytes
    elif "mem_limit" in made:
        made.setdefault("memswap_limit", made["mem_limit"])
    return {key: _escaped(value) for key, value in made.items()}


def _escaped(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """A dollar sign is what it is: compose would look for a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value

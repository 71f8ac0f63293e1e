"""A Docker client without an engine: containers are processes of this machine, and what is known of them are files.

``fake_docker.py FOLDER ARGUMENT...``. In the folder: ``containers/NAME.json``, ``networks/NAME``, ``images``, ``said``
(every command line), and ``broken`` (what the engine answers to everything instead).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(sys.argv[1])
A_PATH_OF_EVERY_CGROUP = ":/"
"""Stands for the id, which has to be in the path of the container's control group."""


def fail(message: str) -> NoReturn:
    sys.stderr.write(f"Error response from daemon: {message}\n")
    sys.exit(1)


def path(name: str) -> Path:
    return HERE / "containers" / f"{name}.json"


def load(name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path(name).read_text()))
    except FileNotFoundError:
        fail(f"No such container: {name}")


def save(name: str, container: dict[str, Any]) -> None:
    unfinished = path(name).with_suffix(".tmp")
    unfinished.write_text(json.dumps(container))
    unfinished.replace(path(name))


def create(name: str, script: str, label: str) -> None:
    state = {"Running": False, "Pid": 0, "ExitCode": 0, "OOMKilled": False, "StartedAt": "0001", "Error": ""}
    container = {
        "Id": A_PATH_OF_EVERY_CGROUP,
        "Image": "sha256:abc",
        "State": state,
        "NetworkSettings": {"Networks": {"net": {"IPAddress": "172.30.0.2"}, "none": {"IPAddress": ""}}},
        "HostConfig": {"Memory": 0},
        "script": script,
        "label": label,
    }
    save(name, container)


def start(name: str) -> NoReturn:
    container = load(name)
    if refusal := container.get("refusal"):
        container["State"]["Error"] = refusal
        save(name, container)
        fail(refusal)
    if container.get("ignored_starts"):
        container["ignored_starts"] -= 1
        save(name, container)
        sys.exit(0)
    child = subprocess.Popen([sys.executable, "-c", container["script"]], start_new_session=True)
    state = {"Running": True, "Pid": child.pid, "StartedAt": str(time.time_ns())}
    if not container.get("seen_too_late"):
        container["State"] |= state
        save(name, container)
    code = child.wait()
    ended = {"Running": False, "Pid": 0, "ExitCode": code if code >= 0 else 128 - code}
    container["State"] |= {**state, **ended, "OOMKilled": bool(container.get("out_of_memory"))}
    save(name, container)
    sys.exit(container["State"]["ExitCode"])


def compose_create(file: str) -> None:
    for role, service in json.loads(Path(file).read_text())["services"].items():
        if not path(service["container_name"]).exists():
            (label,) = service["labels"].items()
            create(service["container_name"], f"print({role!r})", "=".join(label))


def labels() -> dict[str, str]:
    return {one.stem: load(one.stem).get("label", "") for one in sorted((HERE / "containers").glob("*.json"))}


def answer(arguments: list[str]) -> str:  # noqa: C901, PLR0911, PLR0912 - a table of command lines
    match arguments:
        case ["version", "--format", form] if "KernelVersion" in form:
            kernel = HERE / "kernel"
            return kernel.read_text() if kernel.exists() else os.uname().release
        case ["version", *_]:
            return "28.0 (client 28.1)"
        case ["compose", "version", *_]:
            return fail("unknown command: docker compose") if (HERE / "no-compose").exists() else "2.40"
        case ["compose", "--file", file, "--profile", "*", "config", *_]:
            return Path(file).read_text()
        case ["compose", "--parallel", "1", "--file", file, "create", "--no-build", *_]:
            compose_create(file)
            return ""
        case ["image", "inspect", "--format", _, image]:
            if image not in (HERE / "images").read_text().split():
                fail(f"No such image: {image}")
            return "sha256:0123456789abcdef"
        case ["container", "inspect", name]:
            return json.dumps([load(name)])
        case ["network", "create", *_, name]:
            (HERE / "networks" / name).touch()
            return name
        case ["network", "inspect", *_]:
            return json.dumps([{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}])
        case ["network", "ls", *_]:
            return "\n".join(network.name for network in (HERE / "networks").iterdir())
        case ["ps", "--all", "--quiet", "--filter", label]:
            return "\n".join(name for name in labels() if labels()[name] == label.removeprefix("label="))
        case ["network", "rm", name]:
            (HERE / "networks" / name).unlink()
            return name
        case ["rm", "--force", "--volumes", *names]:
            for name in names:
                path(name).unlink()
            return "\n".join(names)
        case ["slow"]:
            time.sleep(60)
    return fail(f"the stand-in does not know {arguments}")


def main() -> None:
    arguments = sys.argv[2:]
    with (HERE / "said").open("a") as said:
        said.write(" ".join(arguments) + "\n")
    if (HERE / "broken").exists():
        sys.stderr.write((HERE / "broken").read_text() + "\n")
        sys.exit(1)
    if arguments[:2] == ["start", "--attach"]:
        start(arguments[2])
    sys.stdout.write(answer(arguments) + "\n")


if __name__ == "__main__":
    main()

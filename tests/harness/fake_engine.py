"""An engine for tests that need no Docker: the real room before a client that is a program of ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.docker_engine import DockerEngine

CLIENT = Path(__file__).with_name("stand_ins") / "fake_docker.py"


class FakeEngine:
    """Its folder, in which tests lay down containers and look at what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "containers").mkdir(parents=True)
        (folder / "networks").mkdir()
        (folder / "images").touch()
        client = folder / "docker"
        client.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{CLIENT}" "{folder}" "$@"\n')
        client.chmod(0o755)
        self.engine = DockerEngine(str(client))

    def lay_down(self, name: str, script: str, **what: object) -> None:
        """A container that was created; ``what`` else the stand-in is to know of it."""
        state = {"Running": False, "Pid": 0, "ExitCode": 0, "OOMKilled": False, "StartedAt": "0001", "Error": ""}
        container = {
            "Id": what.pop("id", ":/"),
            "Image": "sha256:abc",
            "State": state,
            "NetworkSettings": {"Networks": {"net": {"IPAddress": "172.30.0.2"}, "none": {"IPAddress": ""}}},
            "HostConfig": {"Memory": what.pop("memory", 0)},
            "script": script,
            **what,
        }
        (self.folder / "containers" / f"{name}.json").write_text(json.dumps(container))

    def containers(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "containers").glob("*.json"))

    def networks(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "networks").iterdir())

    def said(self) -> list[str]:
        return (self.folder / "said").read_text().splitlines()

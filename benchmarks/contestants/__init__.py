"""Bridges, and what is none, to be put under the same scenarios: `CONTESTANTS` is the whole list."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from harness.programs import folders


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of them: any command that honours the five variables of the contract."""

    name: str
    """As a folder of records may be called."""
    title: str
    command: tuple[str, ...]
    program: str | None = None
    """A built program that it needs."""
    module: str | None = None
    """A Python module that it needs."""
    is_bridge: bool = True
    """Whether it reads the file: one that does not stands there for its cost alone."""

    def why_not(self) -> str | None:
        """Return why it cannot run here, in a sentence with the mend; None: it can."""
        if self.program and shutil.which(self.program, path=os.pathsep.join(map(str, folders()))) is None:
            return f"{self.program} is not there: build it with `python tools/contestants.py {self.program}`."
        if self.module and find_spec(self.module) is None:
            return f"The Python module {self.module} is not installed."
        return None


_PYTHON = (sys.executable, "-m")
OURS = "ours"

CONTESTANTS = (
    Contestant(OURS, "this bridge", (*_PYTHON, "bridge")),
    Contestant("ours-grpcio", "this bridge over grpcio", ("env", "BRIDGE_TRANSPORT=grpcio", *_PYTHON, "bridge"),
               module="grpc"),
    Contestant("sdk", "plain SDK bridge", (*_PYTHON, "benchmarks.contestants.sdk_bridge"),
               module="opentelemetry.exporter.otlp.proto.grpc"),
    Contestant("telegraf", "Telegraf, custom build", (*_PYTHON, "benchmarks.contestants.telegraf"),
               program="telegraf"),
    Contestant("bare-loop", "bare loop (reads nothing)", (*_PYTHON, "benchmarks.floor.bare_loop"),
               is_bridge=False),
)  # fmt: skip

"""The real programs that rigs run: where they are on this machine, and how to get them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.provenance import SOURCE_TREE

_VERSION_SECONDS = 10.0
BUILT = Path(".tools", "bin")
"""Where `nox -s tools` puts what it builds, under the folder of this source tree."""
GET = "build it with `nox -s tools` (needs Go), or put one of this name on PATH"


@dataclass(frozen=True, slots=True)
class Program:
    """One program, and what it is called where it is packaged otherwise."""

    name: str
    what: str
    version_argument: str
    other_names: tuple[str, ...] = ()


COLLECTOR = Program("otelcol", "OpenTelemetry Collector", "--version", ("otelcol-contrib",))
TOXIPROXY = Program("toxiproxy-server", "Toxiproxy", "-version")
PROMETHEUS = Program("prometheus", "Prometheus", "--version")


def folders() -> tuple[Path, ...]:
    """Where programs are looked for, in order: PATH, then what was built here and in the source tree."""
    on_path = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    return (*on_path, Path.cwd() / BUILT, SOURCE_TREE / BUILT)


def find(program: Program, within: Sequence[Path]) -> Path | None:
    """Return the program's file; None: it is in none of these folders."""
    path = os.pathsep.join(map(str, within))
    for name in (program.name, *program.other_names):
        if found := shutil.which(name, path=path):
            return Path(found).absolute()
    return None


def lacking(programs: Sequence[Program], within: Sequence[Path]) -> tuple[str, ...]:
    """Say of each program that is nowhere how to get it."""
    return tuple(
        f"{program.name} ({program.what}) is not on PATH and not in {BUILT}: {GET}"
        for program in programs
        if find(program, within) is None
    )


def version(program: Program, file: Path) -> str:
    """Ask the program; gives the first line that it says, or why it says nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - a program that was looked up
            [file, program.version_argument],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_VERSION_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return f"cannot be run: {problem}"
    said = done.stdout.strip().splitlines()
    if done.returncode or not said:
        return f"cannot be run: it ended with {done.returncode} and said {said[-1] if said else 'nothing'}"
    return said[0]


_OF_RIG = {"local": (COLLECTOR, TOXIPROXY, PROMETHEUS)}


@cache
def versions_on(rig: str) -> dict[str, str]:
    """What each of a rig's real programs on this machine says of itself; those not found are left out."""
    found = {program: find(program, folders()) for program in _OF_RIG.get(rig, ())}
    return {program.name: version(program, file) for program, file in found.items() if file is not None}

"""Builds what the scoreboard compares the bridge with: Telegraf, with the plugins that carry a JSON file to OTLP.

    python tools/contestants.py [PROGRAM ...] [--into FOLDER]     by default all, into .tools/bin

No rig needs it, so `tools/build.py` leaves it alone; its version stands in `tools/versions.toml`. A program whose
recipe has not changed since it was built is left alone. Exit: 0 all there, 1 with the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from build import HERE, STRIPPED, BuildError, run

TELEGRAF_PROGRAM = """//go:build tools

package tools

import _ "{module}/cmd/telegraf"
"""


def telegraf(pin: dict[str, Any], work: Path, target: Path) -> None:
    """Build Telegraf with the three plugins that carry a JSON file to OTLP, from a small module that requires it."""
    module, _, version = pin["module"].partition("@")
    # With a `go` line Go asks only for the modules that are compiled, not for all that any of them ever named.
    (work / "go.mod").write_text("module programs\n\ngo 1.24\n")
    run("go", "get", f"{module}@{version}", cwd=work, GOFLAGS="-mod=mod")
    (work / "programs.go").write_text(TELEGRAF_PROGRAM.format(module=module))
    command = ("go", "build", "-mod=mod", "-tags", pin["tags"], "-ldflags", STRIPPED)
    run(*command, "-o", str(target / "telegraf"), f"{module}/cmd/telegraf", cwd=work)


PROGRAMS = {"telegraf": telegraf}


def recipe(pin: dict[str, Any]) -> str:
    """Say what a program is made from; another recipe is another program."""
    text = f"{sorted(pin.items())}{Path(__file__).read_text()}"
    return hashlib.sha256(text.encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing, one after the other, with its time."""
    parser = argparse.ArgumentParser(prog="python tools/contestants.py", description="Builds other bridges with Go.")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)}; by default all")
    parser.add_argument("--into", type=Path, default=Path(".tools/bin"), help="the folder; by default .tools/bin")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.programs) - PROGRAMS.keys()):
        parser.error(f"nobody knows {', '.join(unknown)}: there are {', '.join(PROGRAMS)}")
    if shutil.which("go") is None:
        print("contestants: Go is missing: install Go 1.24 or newer", file=sys.stderr)
        return 1
    pins = tomllib.loads((HERE / "versions.toml").read_text())
    target = given.into.absolute()
    target.mkdir(parents=True, exist_ok=True)
    return max([made(name, pins[name], target) for name in given.programs or PROGRAMS], default=0)


def made(name: str, pin: dict[str, Any], target: Path) -> int:
    """Build one program unless it is there; gives 0, or 1 where it could not be built."""
    stamp = target / f".{name}.recipe"
    if stamp.exists() and stamp.read_text() == recipe(pin) and (target / name).exists():
        print(f"contestants: {name} {pin['version']} is there")
        return 0
    print(f"contestants: building {name} {pin['version']}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="contestants-") as work:
        try:
            PROGRAMS[name](pin, Path(work), target)
        except BuildError as error:
            print(f"contestants: {name}: {error}", file=sys.stderr)
            return 1
    stamp.write_text(recipe(pin))
    print(f"contestants: built {name} in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Builds the real Collector, Toxiproxy and Prometheus with Go at the versions of `tools/versions.toml`.

    python tools/build.py [FOLDER]      FOLDER: where the programs go, by default .tools/bin

A program whose recipe has not changed since it was built is left alone. Exit: 0 all there, 1 with the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STRIPPED = "-s -w"

PROMETHEUS_PROGRAMS = """//go:build tools

package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
"""


class BuildError(Exception):
    """A program could not be built; the text says which, and the last lines that Go said."""


def run(*command: str, cwd: Path, **variables: str) -> None:
    """Run a build command; programs come out static, so that they also run in an image made from nothing.

    Raises:
        BuildError: it failed.
    """
    environ = os.environ | {"CGO_ENABLED": "0"} | variables
    done = subprocess.run(
        command, cwd=cwd, env=environ, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-8:])
        raise BuildError(f"`{' '.join(command)}` ended with {done.returncode}:\n{last}")


def collector(pin: dict[str, Any], work: Path, target: Path) -> None:
    """Build otelcol with the OpenTelemetry Collector Builder."""
    run("go", "install", pin["builder"], cwd=work, GOBIN=str(work))
    source = work / "otelcol-source"
    recipe_text = (HERE / "collector.yaml").read_text().replace("dist:\n", f"dist:\n  output_path: {source}\n", 1)
    (work / "builder.yaml").write_text(recipe_text)
    run(str(work / "builder"), "--config=builder.yaml", cwd=work)
    shutil.move(source / "otelcol", target / "otelcol")


def toxiproxy(pin: dict[str, Any], work: Path, target: Path) -> None:
    """Build Toxiproxy, whose program is called `server` in its module."""
    version = f"-X github.com/Shopify/toxiproxy/v2.Version={pin['version']}"
    run("go", "install", "-ldflags", f"{STRIPPED} {version}", pin["module"], cwd=work, GOBIN=str(work))
    shutil.move(work / "server", target / "toxiproxy-server")


def prometheus(pin: dict[str, Any], work: Path, target: Path) -> None:
    """Build Prometheus and promtool from a small module that requires them, without service discoveries."""
    module, _, version = pin["module"].partition("@")
    (work / "go.mod").write_text(f"module programs\n\nrequire {module} {version}\n")
    (work / "programs.go").write_text(PROMETHEUS_PROGRAMS)
    run("go", "mod", "tidy", cwd=work, GOFLAGS="-mod=mod")
    name = "github.com/prometheus/common/version.Version"
    for program in ("prometheus", "promtool"):
        run(
            *("go", "build", "-tags", "remove_all_sd,netgo", "-ldflags", f"{STRIPPED} -X {name}={pin['version']}"),
            *("-o", str(target / program), f"{module}/cmd/{program}"),
            cwd=work,
        )


PROGRAMS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], Path, Path], None]]] = {
    "otelcol": (("otelcol",), collector),
    "toxiproxy-server": (("toxiproxy-server",), toxiproxy),
    "prometheus": (("prometheus", "promtool"), prometheus),
}


def recipe(pin: dict[str, Any]) -> str:
    """Say what a program is made from; another recipe is another program."""
    text = f"{sorted(pin.items())}{(HERE / 'collector.yaml').read_text()}{Path(__file__).read_text()}"
    return hashlib.sha256(text.encode()).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing, one after the other, with its time."""
    parser = argparse.ArgumentParser(prog="python tools/build.py", description="Builds the real programs with Go.")
    parser.add_argument("target", nargs="?", type=Path, default=Path(".tools/bin"), metavar="FOLDER",
                        help="where the programs go; by default .tools/bin")  # fmt: skip
    target = parser.parse_args(arguments).target.absolute()
    if shutil.which("go") is None:
        print("tools: Go is missing: install Go 1.24 or newer, or put the programs on PATH yourself", file=sys.stderr)
        return 1
    pins = tomllib.loads((HERE / "versions.toml").read_text())
    target.mkdir(parents=True, exist_ok=True)
    for name, (files, build) in PROGRAMS.items():
        stamp = target / f".{name}.recipe"
        if (
            stamp.exists()
            and stamp.read_text() == recipe(pins[name])
            and all((target / file).exists() for file in files)
        ):
            print(f"tools: {name} {pins[name]['version']} is there")
            continue
        print(f"tools: building {name} {pins[name]['version']}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tools-") as work:
            try:
                build(pins[name], Path(work), target)
            except BuildError as error:
                print(f"tools: {name}: {error}", file=sys.stderr)
                return 1
        stamp.write_text(recipe(pins[name]))
        print(f"tools: built {', '.join(files)} in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

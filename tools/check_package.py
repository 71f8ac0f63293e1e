"""Builds sdist and wheel, and uses the wheel as a stranger would: installed, in an empty folder, without the sources.

    python tools/check_package.py [--tests]      --tests: run the tests of bridge and job against each wheel, too

What held is left in dist/. Needs `requirements/build.txt` and `requirements/package.txt`. Every Python from 3.11 on
that is on PATH or among pyenv's is tried, the running one always. Exit: 0 all held, 1 with the reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_MINOR, NEWEST_MINOR = 11, 20
"""From what pyproject.toml asks for to a version far ahead: those that are not there are passed over."""
SOURCES = ("bridge", "harness", "mock_ml_job")
WITHOUT_HARNESS, OK = 4, 0
IN_WHEEL = (
    "bridge/py.typed",
    "bridge/mapping.toml",
    "harness/py.typed",
    "harness/promises.yaml",
    "harness/scenario_files/steady.yaml",
    "mock_ml_job/py.typed",
)


class PackageError(Exception):
    """The package is not what people are promised; says what and where."""


def run(command: list[str | Path], *, cwd: Path, expected: int = OK, **variables: str) -> str:
    """Run a command and give what it printed.

    Raises:
        PackageError: it ended with another code than the expected one.
    """
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=environ | variables,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != expected:
        last = "\n".join(done.stdout.splitlines()[-40:])
        raise PackageError(f"`{' '.join(words)}` ended with {done.returncode} instead of {expected}:\n{last}")
    return done.stdout


def built(into: Path) -> Path:
    """Build the sdist, and the wheel out of it; gives the wheel, looked into."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", into, "."], cwd=ROOT)
    run([sys.executable, "-m", "twine", "check", "--strict", *sorted(into.iterdir())], cwd=ROOT)
    (wheel,) = into.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    if missing := sorted(set(IN_WHEEL) - names):
        raise PackageError(f"{wheel.name} lacks {', '.join(missing)}: see [tool.hatch.build] in pyproject.toml")
    if strays := sorted(name for name in names if name.startswith(("tests/", "benchmarks/", "tools/"))):
        raise PackageError(f"{wheel.name} holds what nobody should install: {', '.join(strays[:5])}")
    return wheel


def pythons() -> dict[str, Path]:
    """Every Python that is at hand, by its version: each one that starts and is new enough."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
    found = {f"3.{sys.version_info.minor}": Path(sys.executable)}
    for minor in range(OLDEST_MINOR, NEWEST_MINOR):
        for folder in folders:
            candidate = folder / f"python3.{minor}"
            if f"3.{minor}" not in found and candidate.exists() and starts(candidate):
                found[f"3.{minor}"] = candidate
    return dict(sorted(found.items(), key=lambda entry: int(entry[0].partition(".")[2])))


def starts(python: Path) -> bool:
    """Whether it is a Python that runs: a shim may stand for a version that is not chosen."""
    return subprocess.run([python, "-c", "import venv, ssl"], check=False, capture_output=True).returncode == OK


def environment(python: Path, at: Path, requirements: str, wheel: Path) -> Path:
    """Make a virtual environment with pinned requirements and the wheel; gives its folder of programs."""
    run([python, "-m", "venv", at], cwd=at.parent)
    pip = [at / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--require-hashes", "-r", ROOT / "requirements" / f"{requirements}.txt"], cwd=at.parent)
    run([*pip, "--no-deps", wheel], cwd=at.parent)
    return at / "bin"


def use_the_bridge_alone(programs: Path, empty: Path) -> None:
    """Without extras: the bridge works, and the harness says what it lacks."""
    metrics_file = empty / "current.json"
    # Written now: the gauges of an old file have ended.
    metrics_file.write_bytes((ROOT / "tests" / "fixtures" / "metrics_file" / "complete.json").read_bytes())
    said = run([programs / "ml-metrics-bridge", "check"], cwd=empty, METRICS_FILE_PATH=str(metrics_file))
    if "ml.training.loss" not in said:
        raise PackageError(f"`ml-metrics-bridge check` does not show the loss:\n{said}")
    said = run([programs / "bridge-harness", "list"], cwd=empty, expected=WITHOUT_HARNESS)
    if "ml-metrics-bridge[harness]" not in said:
        raise PackageError(f"`bridge-harness` without its extra does not name it:\n{said}")


def use_the_harness(programs: Path, empty: Path) -> None:
    """With the extra: the scenarios are there, and one of them runs on the installed bridge."""
    run([programs / "bridge-harness", "validate"], cwd=empty)
    said = run([programs / "bridge-harness", "run", "shutdown/healthy"], cwd=empty)
    if "1 PASS" not in said:
        raise PackageError(f"`bridge-harness run shutdown/healthy` does not say PASS:\n{said}")


def run_the_tests(programs: Path, at: Path) -> str:
    """The tests of bridge and job beside everything but the sources: what they import is what was installed."""
    tracked = run(["git", "ls-files"], cwd=ROOT).splitlines()
    for name in tracked:
        if not name.startswith(tuple(f"{source}/" for source in SOURCES)) and (ROOT / name).is_file():
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, at / name)
    said = run([programs / "python", "-m", "pytest", "-q", "tests/bridge", "tests/mock_ml_job"], cwd=at)
    return said.splitlines()[-1]


def main(arguments: list[str] | None = None) -> int:
    """Build, look, install, use. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python tools/check_package.py", description="Tries sdist and wheel.")
    parser.add_argument("--tests", action="store_true", help="run the tests of bridge and job on each wheel, too")
    with_tests = parser.parse_args(arguments).tests
    with tempfile.TemporaryDirectory(prefix="package-") as name:
        work = Path(name)
        try:
            wheel = built(work / "dist")
            print(f"package: {wheel.name} built from its sdist; twine has no complaint", flush=True)
            for version, python in pythons().items():
                place = work / version
                empty = place / "empty"
                empty.mkdir(parents=True)
                use_the_bridge_alone(environment(python, place / "bridge", "bridge", wheel), empty)
                extra = "dev" if with_tests else "harness"
                programs = environment(python, place / "harness", extra, wheel)
                use_the_harness(programs, empty)
                print(f"package: Python {version}: bridge alone, harness, a scenario", flush=True)
                if with_tests:
                    (place / "tree").mkdir()
                    print(f"package: Python {version}: {run_the_tests(programs, place / 'tree')}", flush=True)
            shutil.copytree(work / "dist", ROOT / "dist", dirs_exist_ok=True)
        except PackageError as problem:
            print(f"package: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pytest runs scenario files as tests: ``pytest scenarios/ --bridge "my-bridge --its-options"``.

Which files: every YAML file of a folder called ``scenarios`` that is named on the command line (or in ``testpaths``),
and any other YAML file that is named there itself and has a timeline. A plain ``pytest`` that walks through a tree
collects none, so that no project with other YAML files is disturbed. Nothing of the harness is imported until a
scenario is collected.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

FOLDER = "scenarios"
_SUFFIXES = {".yaml", ".yml"}
_HAS_TIMELINE = re.compile(rb"^timeline:", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("bridge-harness", "scenarios of a metrics bridge")
    group.addoption(
        "--rig", default="embedded", help="what scenarios run on: embedded (default), local, compose, kubernetes"
    )
    group.addoption("--bridge", metavar="COMMAND", help="the bridge under test; by default the rig's own")
    group.addoption(
        "--scenario-out",
        metavar="DIR",
        type=Path,
        default=Path("runs"),
        help="where scenarios leave their records (runs)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a bridge's command that no shell could read, before anything is collected.

    Raises:
        pytest.UsageError: quotes that do not end, or nothing at all.
    """
    command = config.getoption("bridge")
    try:
        empty = command is not None and not shlex.split(command)
    except ValueError as error:
        raise pytest.UsageError(f"--bridge {command!r}: {error}") from None
    if empty:
        raise pytest.UsageError("--bridge: the command is empty")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file.

    Raises:
        pytest.UsageError: the harness's packages are not installed.
    """
    if file_path.suffix not in _SUFFIXES or not _is_meant(file_path, parent.session):
        return None
    try:
        from harness.scenario_tests import ScenarioFile  # noqa: PLC0415 - it needs all of the harness
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise pytest.UsageError(
            f"{file_path.name} needs the package {package!r}: pip install 'ml-metrics-bridge[harness]'"
        ) from None
    return ScenarioFile.from_parent(parent, path=file_path)


def _is_meant(path: Path, session: pytest.Session) -> bool:
    named, folder_named = session.isinitpath(path), session.isinitpath(path.parent)
    if path.parent.name == FOLDER and (named or folder_named):
        return True
    try:
        return named and _HAS_TIMELINE.search(path.read_bytes()) is not None
    except OSError:  # its reader says why
        return True

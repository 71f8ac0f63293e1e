"""Where a run's figures come from: versions, machine, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path

from harness.record import SCHEMA_VERSION, Meta

SOURCE_TREE = Path(__file__).resolve().parent.parent
"""The folder that holds the packages: the repository, or site-packages when installed."""
_NAMED = (
    *("ml-metrics-bridge", "h2", "opentelemetry-sdk", "opentelemetry-proto", "protobuf", "grpcio", "scikit-learn"),
    *("psutil", "pydantic", "pyyaml", "requests", "toxiproxy-python"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a run stands on; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int | float]:
    """The machine as far as a figure depends on it."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_1_min": os.getloadavg()[0],
    }


def meta(
    scenario: str,
    rig: str,
    bridge_command: tuple[str, ...],
    run_dir: Path,
    seed: int,
    *,
    programs: Mapping[str, str] | None = None,
) -> Meta:
    """What a run that begins now is, apart from what it will see; ``programs``: versions of the rig's real programs."""
    return Meta(
        schema_version=SCHEMA_VERSION,
        run=run_dir.name,
        scenario=scenario,
        rig=rig,
        bridge_command=bridge_command,
        seed=seed,
        started_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        origin=time.monotonic(),
        origin_unix_nano=time.time_ns(),
        versions={**versions(), **(programs or {})},
        machine=machine(),
        commit=commit(),
    )


def commit() -> str | None:
    """The commit of the source tree, with ``+`` when files were changed since; None outside of a repository."""
    if not (SOURCE_TREE / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        # Looking must not lock: the developer may be about to commit.
        ["git", "--no-optional-locks", *arguments],  # noqa: S607 - the developer's own git, wherever it is
        cwd=SOURCE_TREE,
        check=True,
        capture_output=True,
        text=True,
        timeout=5,
    )
    return done.stdout.strip()

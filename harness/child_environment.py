"""The environment of the processes that a run starts: minimal and explicit, nothing of the harness's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.provenance import SOURCE_TREE


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """PATH, LANG, PYTHONPATH when the harness runs from its source tree, and the given variables.

    The PATH begins with the folder of the harness's own Python, so that ``python`` in a command line is this one.
    """
    environment = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "LANG": "C.UTF-8",
    }
    if (SOURCE_TREE / "pyproject.toml").exists():
        environment["PYTHONPATH"] = str(SOURCE_TREE)
    return {**environment, **variables}

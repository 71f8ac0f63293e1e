"""A package without the others that are installed beside it, wherever it was imported from: a checkout or a wheel."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path


def alone(package: str, at: Path) -> Path:
    """Copy a package into a folder of its own there, and return what PYTHONPATH is to be, with ``python -S``."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, at / "alone" / package)
    return at / "alone"

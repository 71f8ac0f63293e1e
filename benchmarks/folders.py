"""Where benchmarks leave what they saw: an empty folder, whatever stood there before."""

from __future__ import annotations

import datetime as dt
from pathlib import Path


def fresh(folder: Path) -> Path:
    """Make an empty folder; an older one of the same name is moved aside, so that no older run is among the new ones.

    Raises:
        OSError: it cannot be made, or holds the folder that this runs in, which is not to be moved away.
    """
    if Path.cwd().is_relative_to(folder.resolve()):
        raise OSError("it holds the folder that you are in")
    if folder.exists() and any(folder.iterdir()):
        moment = dt.datetime.fromtimestamp(folder.stat().st_mtime).astimezone()
        folder.rename(folder.with_name(f"{folder.name}-before-{moment:%Y%m%dT%H%M%S}"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder

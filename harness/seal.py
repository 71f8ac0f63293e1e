"""The seal of a record: what each of its files was when the run ended, so that a verdict stands on what was seen.

``seal.json`` is written last. A complete record without its seal, or with a file that is not as it was sealed, is
damaged. The seal keeps from mistakes and from hands that mend a figure; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from harness.record import RecordError

SEAL_FILE = "seal.json"
_VERSION = 1
_ALWAYS = frozenset({"run.json", "scenario.json"})
_AGAIN = "make the run again"


def write(run_dir: Path) -> None:
    """Seal a folder: from now on nothing of the record may change.

    Raises:
        OSError: a file of the record cannot be read, or the seal not be written.
    """
    files = {name: _sha256(run_dir / name) for name in sorted(_files(run_dir))}
    unfinished = run_dir / f"{SEAL_FILE}.tmp"
    text = json.dumps({"schema_version": _VERSION, "sha256": files}, indent=2)
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(run_dir / SEAL_FILE)


def check(run_dir: Path) -> None:
    """See that every file of the record is as it was sealed.

    Raises:
        RecordError: the seal is missing or damaged, or a file was changed, added or removed; names the file.
    """
    sealed = _read(run_dir / SEAL_FILE)
    if unsealed := sorted(_files(run_dir) - sealed.keys()):
        raise RecordError(f"{run_dir / unsealed[0]} is not under the record's seal: it came after the run; {_AGAIN}")
    for name, digest in sealed.items():
        path = run_dir / name
        try:
            same = stat.S_ISREG(path.stat().st_mode) and _sha256(path) == digest
        except FileNotFoundError:
            raise RecordError(f"{path} is damaged: it is gone; {_AGAIN}") from None
        except (OSError, ValueError) as problem:
            raise RecordError(f"{path} is damaged: it cannot be read: {problem}; {_AGAIN}") from None
        if not same:
            raise RecordError(f"{path} is damaged: it is not as the run left it; {_AGAIN}")


def _files(run_dir: Path) -> set[str]:
    """The names of what belongs to a record: see `harness/record.py`."""
    lines_and_logs = {path.name for ending in ("*.jsonl", "*.log") for path in run_dir.glob(ending)}
    return {name for name in lines_and_logs | _ALWAYS if (run_dir / name).is_file()}


def _read(path: Path) -> dict[str, str]:
    try:
        found: Any = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError) as problem:
        raise RecordError(f"{path} is damaged: {type(problem).__name__}; {_AGAIN}") from None
    if found is None:
        raise RecordError(f"{path} is missing: the run ended and its record has no seal; {_AGAIN}")
    sealed = found.get("sha256") if isinstance(found, dict) else None
    if not isinstance(sealed, dict) or found.get("schema_version") != _VERSION:
        raise RecordError(f"{path} is damaged: it is no seal; {_AGAIN}")
    if missing := _ALWAYS - sealed.keys():
        raise RecordError(f"{path} is damaged: it does not name {min(missing)}; {_AGAIN}")
    return {str(name): str(digest) for name, digest in sealed.items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

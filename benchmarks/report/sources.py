"""What stands under the folder of runs, read and judged again; what is not there is named."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from benchmarks.report.page import Section
from benchmarks.report.sections import of_soak
from harness import batch
from harness.record import RecordError, RunRecord
from harness.record_folder import load
from harness.saved import judged_again
from harness.scenario import RigName
from harness.verdict import Judgement

_T = TypeVar("_T")


class DamagedError(Exception):
    """A file does not hold what the benchmark leaves in it; says which, and what makes it anew."""


def read_json(path: Path, build: Callable[[Any], _T], mend: str) -> _T | None:
    """Read a file of figures and build what is made of it; None: it is not there.

    Raises:
        DamagedError: it cannot be read or made anything of; ``mend`` says what to do then.
    """
    if not path.is_file():
        return None
    try:
        return build(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise DamagedError(f"{path} cannot be read ({type(error).__name__}: {error}): {mend}") from error


def rigs(runs: Path, absent: list[str]) -> dict[str, list[Judgement]]:
    """Judge the records of ``rigs/`` again, by the rig that each was run on."""
    found: dict[str, list[Judgement]] = defaultdict(list)
    for folder in _folders(runs / "rigs"):
        if not batch.run_folders(folder):
            absent.append(f"rigs/{folder.name}: it holds no record.")
            continue
        for one in judged_again([folder], save=False):
            found[one.judgement.rig or folder.name].append(one.judgement)
    return dict(found)


def not_on(by_rig: Sequence[str]) -> list[str]:
    """Name the rigs of which nobody left records."""
    lacking = [rig for rig in get_args(RigName) if rig not in by_rig]
    return [f"The {rig} rig: python -m harness run --rig {rig} --out runs/rigs/{rig}." for rig in lacking]


def soak(runs: Path, absent: list[str]) -> Section:
    """Judge what long runs left."""
    found = [run for folder in sorted(runs.glob("soak*")) for run in (batch.run_folders(folder) or _inside(folder))]
    if not found:
        absent.append("The soak: there is no soak* folder of runs.")
        return of_soak([], [])
    judged = [one.judgement for one in judged_again(found, save=False)]
    return of_soak(_readable(found), judged)


def _readable(folders: Sequence[Path]) -> Iterator[RunRecord]:
    """The records that can be read; of the others the judgement says what is wrong."""
    for folder in folders:
        try:
            yield load(folder)
        except (RecordError, OSError):
            continue


def _inside(folder: Path) -> list[Path]:
    return [run for inner in _folders(folder) for run in batch.run_folders(inner)]


def _folders(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir()) if folder.is_dir() else []


def mutants(runs: Path, absent: list[str]) -> dict[str, Judgement]:
    """Judge the newest run of all mutants again, and the real bridge's beside them, by the folders' names."""
    folders = [folder for folder in sorted(runs.glob("mutants-*")) if batch.run_folders(folder)]
    if not folders:
        absent.append("The mutants: there is no mutants-* folder with records (python -m harness mutants).")
        return {}
    return {one.folder.name: one.judgement for one in judged_again(folders[-1:], save=False) if one.folder}


def commits(runs: Path) -> dict[str, list[str]]:
    """The commits that what stands here was measured at, with ``+`` where files were changed, and of what each is."""
    found: dict[str, list[str]] = defaultdict(list)
    newest = [folder for folder in sorted(runs.glob("mutants-*")) if batch.run_folders(folder)][-1:]
    places = [runs / "growth", *_folders(runs / "contest"), *_folders(runs / "rigs"), *newest]
    for folder in [*places, *(folder for one in sorted(runs.glob("soak*")) for folder in (one, *_folders(one)))]:
        for run in batch.run_folders(folder):
            _note(found, _commit(run / "run.json", lambda told: told["commit"]), folder.relative_to(runs).as_posix())
    if (runs / "micro.json").is_file():
        _note(found, _commit(runs / "micro.json", _of_pytest_benchmark), "micro.json")
    for step in sorted(runs.glob("load/*/step.json")):
        _note(found, _commit(step, lambda told: told["commit"]), "load")
    _note(found, _commit(runs / "compare.json", lambda told: told[0]["commit"]), "compare.json")
    return dict(found)


def _note(found: dict[str, list[str]], commit: str, what: str) -> None:
    if commit and what not in found[commit]:
        found[commit].append(what)


def _of_pytest_benchmark(told: Any) -> str:  # noqa: ANN401 - whatever stands there
    about = told["commit_info"]
    return f"{about['id']}{'+' if about['dirty'] else ''}"


def _commit(file: Path, of: Callable[[Any], Any]) -> str:
    """The commit that a file names; empty: it names none, or cannot be read."""
    try:
        return str(of(json.loads(file.read_bytes())) or "")
    except (OSError, ValueError, LookupError, TypeError):
        return ""

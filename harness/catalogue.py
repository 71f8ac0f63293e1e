"""Where the scenarios are, and which of them a command line means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.loading import Problem, ScenarioFileError, load
from harness.plausibility import nearest
from harness.scenario import Profile, Scenario

_TAG = "tag:"
_SOURCE_TREE = Path(__file__).parent.parent / "scenarios"
_INSTALLED = Path(__file__).parent / "scenario_files"


class SelectionError(Exception):
    """A command line that means no scenario; one line for each word of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A scenario and the file that it stands in."""

    scenario: Scenario
    path: Path


def scenario_folder() -> Path:
    """Return the folder of the scenarios: the source tree's, else that of the installed package."""
    return _INSTALLED if _INSTALLED.is_dir() else _SOURCE_TREE


def entries(paths: Sequence[Path]) -> list[Entry]:
    """Read several files.

    Raises:
        ScenarioFileError: all that is wrong with any of them.
    """
    found: list[Entry] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found += [Entry(scenario, path) for scenario in load(path)]
        except ScenarioFileError as error:
            problems += error.problems
    if problems:
        raise ScenarioFileError(problems)
    return found


def files(folder: Path) -> list[Path]:
    """Return the scenario files of a folder, by name."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def select(words: Sequence[str], *, profile: Profile | None, folder: Path) -> list[Entry]:
    """Return the scenarios that a command line means, each once, in the order of its words.

    Without words: all of the profile, ``smoke`` unless another is given. A word is the path of a file, ``tag:TAG``, or
    a name: that of a scenario, of a scenario with variants (all of them), or of one variant (``name/variant``).

    Raises:
        ScenarioFileError: a file that was asked for has problems.
        SelectionError: a word means no scenario, or nothing that was named is of the profile.
    """
    known = entries(files(folder)) if not words or any(not _is_path(word) for word in words) else []
    chosen = [entry for entry in known if entry.scenario.profile == (profile or "smoke")] if not words else []
    named: list[Entry] = []
    unknown: list[str] = []
    for word in words:
        meant = entries([Path(word)]) if _is_path(word) else [entry for entry in known if _means(word, entry.scenario)]
        if not meant:
            unknown.append(_no_such(word, known))
        named += meant
    if unknown:
        raise SelectionError("\n".join(unknown))
    chosen += [entry for entry in named if profile is None or entry.scenario.profile == profile]
    if named and not chosen:
        profiles = ", ".join(sorted({f"{entry.scenario.name} ({entry.scenario.profile})" for entry in named}))
        raise SelectionError(f"none of these is of the profile {profile}: {profiles}; leave --profile out")
    return list({(str(entry.path), entry.scenario.name): entry for entry in chosen}.values())


def _is_path(word: str) -> bool:
    return not word.startswith(_TAG) and word.endswith((".yaml", ".yml"))


def _means(word: str, scenario: Scenario) -> bool:
    if word.startswith(_TAG):
        return word.removeprefix(_TAG) in scenario.tags
    return word in {scenario.name, scenario.name.split("/", maxsplit=1)[0]}


def _no_such(word: str, known: Sequence[Entry]) -> str:
    if word.startswith(_TAG):
        tags = sorted({tag for entry in known for tag in entry.scenario.tags})
        return f"no scenario has the tag {word.removeprefix(_TAG)!r}: {nearest(word.removeprefix(_TAG), tags)}"
    if os.path.isdir(word):  # noqa: PTH112 - Path.is_dir raises where it may not look
        return f"there is no scenario {word!r}, and it is a folder: name the files in it, {Path(word) / '*.yaml'}"
    hint = nearest(word, [entry.scenario.name for entry in known], listed="`python -m harness list` shows all")
    return f"there is no scenario {word!r}: {hint}"

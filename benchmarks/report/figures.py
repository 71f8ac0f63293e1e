"""Figures that are kept from release to release, and what became of them. Pure but for reading files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GATING = Path(__file__).parents[1] / "gating.toml"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of this release."""

    name: str
    unit: str
    value: float
    noise: float | None = None
    """How far figures of one and the same bridge lie apart, in the unit; None: not known."""
    better: str = "lower"
    """lower | higher"""
    source: str = ""
    """The record folders or the file that it comes from, under the folder of runs."""

    def as_json(self) -> dict[str, Any]:
        """As the trend has it: name, unit and value as github-action-benchmark reads them, and ours beside."""
        told: dict[str, Any] = {"name": self.name, "unit": self.unit, "value": self.value, "better": self.better}
        if self.noise is not None:
            told["range"] = f"{self.noise:.6g}"
        return told | {"extra": self.source}


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure that fails the session where it got worse."""

    name: str
    why: str
    tolerance: float = 0.0
    """Of the last release's figure: so much worse is not acted on, however quiet the machine was."""
    limit: float | None = None
    """It fails beyond it whatever the last release had."""
    apart: float = 0.0
    """In the figure's unit: so far apart lie runs of one and the same bridge, where one run cannot see it."""
    exact: bool = False
    """Any other figure than the last release's is worse, a better one too: it is a count that is known."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure beside that of the last release."""

    figure: Figure
    last: float | None
    said: str
    """new | same | better | WORSE"""
    gate: Gate | None = None

    @property
    def verdict(self) -> str:
        """PASS, FAIL, or UNDECIDED: nearer to its limit than its noise, on either side; nothing where none gates."""
        if self.gate is None:
            return ""
        if self.said == "WORSE":
            return "FAIL"
        if self.gate.limit is None:
            return "PASS"
        beyond_by = (self.figure.value - self.gate.limit) * (1 if self.figure.better == "lower" else -1)
        if abs(beyond_by) < (self.figure.noise or 0.0):
            return "UNDECIDED"
        return "FAIL" if beyond_by > 0 else "PASS"

    @property
    def fails(self) -> bool:
        """Whether the release should not go out with it."""
        return self.verdict == "FAIL"


def gates(path: Path = GATING) -> list[Gate]:
    """Read the list of gating figures."""
    return [Gate(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["figure"]]


def of_trend(entries: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Make a release's figures of what its trend.json holds."""
    return {
        entry["name"]: Figure(
            entry["name"],
            entry["unit"],
            entry["value"],
            float(entry["range"]) if "range" in entry else None,
            entry.get("better", "lower"),
        )
        for entry in entries
    }


def compare(figures: Sequence[Figure], last: Mapping[str, Figure], listed: Sequence[Gate]) -> list[Compared]:
    """Put each figure beside that of the last release. What lies within either's noise or the tolerance is the same."""
    by_name = {gate.name: gate for gate in listed}
    return [_compared(figure, last.get(figure.name), by_name.get(figure.name)) for figure in figures]


def _compared(figure: Figure, last: Figure | None, gate: Gate | None) -> Compared:
    if last is None or last.unit != figure.unit:
        return Compared(figure, None, "new", gate)
    if gate and gate.exact:
        return Compared(figure, last.value, "same" if figure.value == last.value else "WORSE", gate)
    worse_by = (figure.value - last.value) * (1 if figure.better == "lower" else -1)
    known = [noise for noise in (figure.noise, last.noise) if noise is not None]
    margin = max([*known, *((gate.tolerance * abs(last.value), gate.apart) if gate else ())], default=0.0)
    if not known and gate is None:
        margin = 0.1 * abs(last.value)  # nobody knows its noise: a tenth is more than most have
    said = "WORSE" if worse_by > margin else "better" if worse_by < -margin else "same"
    return Compared(figure, last.value, said, gate)


def gone(figures: Sequence[Figure], last: Mapping[str, Figure]) -> list[str]:
    """Names of figures that the last release had and this one has not."""
    names = {figure.name for figure in figures}
    return [name for name in last if name not in names]


def missing(figures: Sequence[Figure], listed: Sequence[Gate]) -> list[Gate]:
    """Gating figures that nobody measured: a release is not to go out without them."""
    names = {figure.name for figure in figures}
    return [gate for gate in listed if gate.name not in names]

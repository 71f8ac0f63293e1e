"""Figures over an input, and the exponent that fits them best: y grows as x to that power. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.reports.figures import figure

_POINTS_MIN = 3


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one size of the input, again and again."""

    x: float
    values: tuple[float, ...]

    @property
    def y(self) -> float:
        """The figure that stands for them."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Growth:
    """One curve: what grows with what, and how fast it may."""

    name: str
    x: str
    """The input, with its unit."""
    y: str
    """The figure, with its unit."""
    points: tuple[Point, ...]
    exponent_max: float
    """0.15 for what should be flat, 1.15 for what may grow with its input: the rest is noise."""
    base: float = 0.0
    """What there is without any input, in the unit of the figure: it is taken off before the fit."""
    source: str = ""
    """Where it was measured."""

    @property
    def exponent(self) -> float | None:
        """The slope of a straight line through the logarithms; None: too few figures above the base."""
        return exponent([(point.x, point.y - self.base) for point in self.points])

    @property
    def verdict(self) -> str:
        """PASS, FAIL, or INCONCLUSIVE where nothing can be fitted."""
        found = self.exponent
        return "INCONCLUSIVE" if found is None else "PASS" if found <= self.exponent_max else "FAIL"


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Fit y = c * x ** exponent; points at or below zero have no logarithm and are left out."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len(logs) < _POINTS_MIN or len({x for x, _ in logs}) < _POINTS_MIN:
        return None
    return statistics.linear_regression([x for x, _ in logs], [y for _, y in logs]).slope


HEAD = "| curve | input | from | to | figure at the least | figure at the most | exponent | at most | verdict |\n"


def table(curves: Sequence[Growth]) -> str:
    """Return a Markdown table of the fits."""
    lines = [HEAD, f"|---|---|{'---:|' * 6}---|\n"]
    for curve in curves:
        if not curve.points:  # none of its runs was carried out, or had its load
            lines.append(
                f"| {curve.name} | {curve.x} | - | - | - | - | - | {curve.exponent_max:g} | {curve.verdict} |\n"
            )
            continue
        first, last = curve.points[0], curve.points[-1]
        found = "-" if curve.exponent is None else f"{curve.exponent:.2f}"
        lines.append(
            f"| {curve.name} | {curve.x} | {figure(first.x)} | {figure(last.x)} "
            f"| {figure(first.y)} {curve.y} | {figure(last.y)} {curve.y} "
            f"| {found} | {curve.exponent_max:g} | {curve.verdict} |\n"
        )
    return "".join(lines)

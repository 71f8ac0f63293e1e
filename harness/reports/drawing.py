"""Figures over time -> what a page draws: paths in a box, ticks and lines in per cent of it. Knows nothing of runs.

The box is stretched to the page's width, so that nothing in it but lines and dots may have a shape of its own: every
text stands beside it, at a place in per cent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 1000
HEIGHT = 200
_HEADROOM = 1.1
_STEPS = (1, 2, 2.5, 5, 10)
_FAR = 4.0
"""A budget more than so many times above the highest figure would press the figures flat: it is named instead."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One set of figures of a chart: (seconds, figure). A figure that is not a number breaks a line."""

    name: str
    kind: str
    """line | thin | steps | dots | crosses: how it is drawn"""
    points: Points


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget: a dashed line."""

    name: str
    kind: str
    """limit | target"""
    value: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A text at a place of an axis."""

    percent: float
    text: str


@dataclass(frozen=True, slots=True)
class Path:
    """A curve as it is drawn."""

    name: str
    kind: str
    d: str


@dataclass(frozen=True, slots=True)
class Line:
    """A budget as it is drawn; ``percent`` None: it is beyond the box and only named."""

    name: str
    kind: str
    text: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as it is drawn."""

    paths: tuple[Path, ...]
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]


def draw(curves: Sequence[Curve], bounds: Sequence[Bound], seconds: float) -> Drawing:
    """Return the drawing of some curves over a run of so many seconds; the lowest figure of the box is 0."""
    highest = max((value for curve in curves for _, value in curve.points if math.isfinite(value)), default=0.0)
    near = [bound for bound in bounds if bound.value <= max(highest, 1e-9) * _FAR]
    top = max([highest, *(bound.value for bound in near)]) * _HEADROOM or 1.0
    return Drawing(
        paths=tuple(Path(curve.name, curve.kind, _path(curve, seconds, top)) for curve in curves),
        lines=tuple(
            Line(bound.name, bound.kind, f"{bound.value:g}", _from_top(bound.value, top) if bound in near else None)
            for bound in bounds
        ),
        ticks=tuple(Tick(_from_top(value, top), f"{value:g}") for value in round_values(top, 4)),
    )


def time_ticks(seconds: float, count: int = 9) -> tuple[Tick, ...]:
    """Return the ticks of the time axis, at most about ``count``."""
    return tuple(Tick(percent(value, seconds), f"{value:g}") for value in round_values(seconds, count))


def percent(value: float, whole: float) -> float:
    """Return a share in per cent, within 0 and 100, with two decimals."""
    return round(min(100.0, max(0.0, 100 * value / whole)), 2) if whole > 0 else 0.0


def round_values(top: float, count: int) -> list[float]:
    """Return round figures from 0 up to ``top``, evenly spaced, at most ``count`` beside the 0."""
    if not (math.isfinite(top) and top > 0):
        return [0.0]
    size = 10 ** math.floor(math.log10(top / count))
    step = next(step * size for step in _STEPS if step * size * count >= top)
    return [round(step * number, 10) for number in range(int(top / step) + 1)]


def _from_top(value: float, top: float) -> float:
    return percent(top - value, top)


def _path(curve: Curve, seconds: float, top: float) -> str:
    places = (
        (WIDTH * t / seconds, HEIGHT - HEIGHT * value / top) if math.isfinite(value) else None
        for t, value in curve.points
        if 0 <= t <= seconds
    )
    if curve.kind in {"dots", "crosses"}:
        return _dots(places)
    return _steps(places) if curve.kind == "steps" else _line(places)


def _dots(places: Iterable[tuple[float, float] | None]) -> str:
    """Lines of no length with round ends: dots that keep their shape in a stretched box."""
    seen = dict.fromkeys((round(place[0]), round(place[1], 1)) for place in places if place)
    return "".join(f"M{x} {y:g}h0" for x, y in seen)


def _steps(places: Iterable[tuple[float, float] | None]) -> str:
    drawn: list[str] = []
    for x, y in filter(None, places):
        drawn.append(f"H{x:.1f}V{y:.1f}" if drawn else f"M{x:.1f} {y:.1f}")
    return "".join(drawn)


def _line(places: Iterable[tuple[float, float] | None]) -> str:
    drawn: list[str] = []
    pen_down = False
    for place in _thinned(places):
        drawn += [f"{'L' if pen_down else 'M'}{place[0]:.1f} {place[1]:.1f}"] if place else []
        pen_down = place is not None
    return "".join(drawn)


def _thinned(places: Iterable[tuple[float, float] | None]) -> Iterable[tuple[float, float] | None]:
    """Keep of each column of the box its first, highest, lowest and last place: more cannot be seen."""
    column: list[tuple[float, float]] = []
    for place in places:
        if column and (place is None or int(place[0]) != int(column[0][0])):
            yield from _outline(column)
            column = []
        if place is None:
            yield None
        else:
            column.append(place)
    yield from _outline(column)


def _outline(column: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(column) <= 4:  # noqa: PLR2004 - the four that are kept of longer ones
        return column
    kept = {0, len(column) - 1}
    kept |= {pick(range(len(column)), key=lambda index: column[index][1]) for pick in (min, max)}
    return [column[index] for index in sorted(kept)]

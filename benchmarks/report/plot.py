"""A curve on logarithmic axes as one piece of SVG that needs nothing else."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
_FLAT = 0.05
"""Decades: a curve that is flatter is drawn in the middle of so much room, so that its noise is not blown up."""


def draw(points: Sequence[tuple[float, float]], *, x: str, y: str, title: str) -> str:
    """Return the SVG; figures at or below zero have no place on such axes and are left out."""
    shown = [(math.log10(one), math.log10(other)) for one, other in points if one > 0 and other > 0]
    if not shown:
        return ""
    x_low, x_high = _range([one for one, _ in shown], room=0.3)
    y_low, y_high = _range([other for _, other in shown], room=0.5)

    def place(one: float, other: float) -> tuple[float, float]:
        across = LEFT + (one - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (other - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">']
    for value in _ticks(x_low, x_high):
        across, _ = place(value, y_low)
        parts.append(f'<line class="grid" x1="{across}" y1="{TOP}" x2="{across}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{across}" y="{HEIGHT - BOTTOM + 13}" text-anchor="middle">{_short(value)}</text>')
    for value in _ticks(y_low, y_high):
        _, down = place(x_low, value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{down}" x2="{WIDTH - RIGHT}" y2="{down}"/>')
        parts.append(f'<text x="{LEFT - 4}" y="{down + 3}" text-anchor="end">{_short(value)}</text>')
    line = " ".join(f"{across},{down}" for across, down in (place(*point) for point in shown))
    parts.append(f'<polyline class="curve" points="{line}"/>')
    parts += [f'<circle class="dot" cx="{across}" cy="{down}" r="3"/>' for across, down in (place(*p) for p in shown)]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(x)}</text>')
    parts.append(f'<text x="{LEFT + 4}" y="{TOP + 8}">{html.escape(y)}</text></svg>')
    return "".join(parts)


def _range(values: Sequence[float], *, room: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low < _FLAT * 4:
        return low - room, high + room
    return low - (high - low) * 0.06, high + (high - low) * 0.1


def _ticks(low: float, high: float) -> list[float]:
    whole = [float(number) for number in range(math.ceil(low), math.floor(high) + 1)]
    if len(whole) > 1:
        return whole
    parts = [decade + math.log10(part) for decade in range(math.floor(low), math.ceil(high) + 1) for part in (1, 2, 5)]
    return [value for value in parts if low <= value <= high]


def _short(exponent: float) -> str:
    return f"{10**exponent:.3g}".replace("e+0", "e").replace("e-0", "e-")

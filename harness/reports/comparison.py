"""Two sets of runs side by side, as a table of at most 80 columns or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.comparison import Row, Said, Side
from harness.reports.figures import NOTHING, figure

_COLOURS = {Said.WORSE: "bold red", Said.BETTER: "green", Said.SAME: "", Said.UNKNOWN: "yellow"}
_COLUMNS = (("", 30), ("A", 9), ("B", 9), ("B / A", 7), ("noise", 8), ("", 6))
_UNIT_CHARACTERS_MAX = 8


def draw(rows: Sequence[Row]) -> RenderableType:
    """Return the table; in each scenario the worst stands first."""
    parts: list[RenderableType] = [_table(header=True)]
    for scenario, group in groupby(rows, key=lambda row: row.scenario):
        parts.append(Text(scenario, style="bold"))
        table = _table(header=False)
        for row in sorted(group, key=lambda row: list(Said).index(row.said)):
            table.add_row(*_cells(row))
        parts.append(table)
    return Group(*parts, Text(), Text(summary(rows)))


def summary(rows: Sequence[Row]) -> str:
    """Say how many figures are what, and how to know the noise where it is not known."""
    count = {said: sum(row.said is said for row in rows) for said in Said}
    text = f"{count[Said.WORSE]} worse, {count[Said.BETTER]} better, {count[Said.SAME]} the same within the noise"
    if count[Said.UNKNOWN]:
        text += (
            f", {count[Said.UNKNOWN]} differ and their noise is not known: "
            "make several runs of each side (run --repeat 3) and compare the folders"
        )
    return text + "."


def as_json(rows: Sequence[Row]) -> str:
    """Return a list with an object for each check."""
    return json.dumps([_object(row) for row in rows], indent=2) + "\n"


def worse(rows: Sequence[Row]) -> bool:
    """Whether anything is worse beyond the noise."""
    return any(row.said is Said.WORSE for row in rows)


def _object(row: Row) -> dict[str, object]:
    about = {key: getattr(row, key) for key in ("scenario", "rig", "check", "promise", "unit", "ratio", "noise")}
    return {
        **about,
        "a": _side(row.a),
        "b": _side(row.b),
        "said": {Said.UNKNOWN: "unknown"}.get(row.said, row.said.lower()),
    }


def _side(side: Side) -> dict[str, object]:
    return {"median": side.median, "values": list(side.values), "verdict": str(side.verdict), "runs": side.runs}


def _table(*, header: bool) -> Table:
    table = Table(box=None, show_header=header, padding=(0, 1, 0, 0), pad_edge=False)
    for number, (title, width) in enumerate(_COLUMNS):
        table.add_column(title, width=width, no_wrap=True, justify="left" if number in {0, 5} else "right")
    return table


def _cells(row: Row) -> tuple[Text, ...]:
    noise = NOTHING if row.noise is None else f"±{figure(row.noise)}"
    ratio = NOTHING if row.ratio is None else f"{row.ratio:.2f}x"
    return (
        Text(f"  {row.check}"),
        Text(_figure(row, row.a)),
        Text(_figure(row, row.b)),
        Text(ratio),
        Text(noise),
        Text(str(row.said), style=_COLOURS[row.said]),
    )


def _figure(row: Row, side: Side) -> str:
    if side.median is None:
        return str(side.verdict)
    unit = row.unit.split()[0]
    return f"{figure(side.median)} {unit}" if len(unit) <= _UNIT_CHARACTERS_MAX // 2 else figure(side.median)

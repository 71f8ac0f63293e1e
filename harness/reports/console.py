"""The table on the screen: failing scenarios first, each with reason and record, then each budget. It fits 80 columns.

Colour only repeats what a word says.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.checks import CheckResult, Verdict
from harness.reports.figures import count_words, figure, quantity, target
from harness.verdict import WORST_FIRST, Judgement

WIDTH = 80
MANY = 4
"""From so many runs on, what did not pass is named once more below the table."""
_COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.HARNESS_ERROR: "bold magenta",
    Verdict.NOT_RUN: "cyan",
}
_COLUMNS = (("", 30, "left"), ("verdict", 12, "left"), ("measured", 13, "right"), ("limit", 6, "right"))
_LAST_COLUMNS = (("margin", 6, "right"), ("target", 7, "right"))
_SHORT_UNIT = {
    "% of one core": "%", "lost writes": "lost", "wrong deliveries": "wrong", "wrong values": "wrong",
    "early calls": "early", "repeated updates": "again", "series a job": "series", "log lines": "lines",
    "descriptors": "fds", "descriptors/h": "/h", "threads/h": "/h", "switches/s": "/s", "connections/s": "conns/s",
}  # fmt: skip
"""Where the column has no room for the whole unit; the check's name beside it says of what."""


def render(judgements: Sequence[Judgement]) -> str:
    """Return the report as plain text of at most 80 columns."""
    console = Console(width=WIDTH, color_system=None, force_terminal=False, highlight=False, emoji=False, markup=False)
    with console.capture() as capture:
        console.print(draw(judgements))
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def draw(judgements: Sequence[Judgement]) -> RenderableType:
    """Return the report for a rich console."""
    parts: list[RenderableType] = [_row_table(header=True)]
    for judgement in sorted(judgements, key=lambda judgement: WORST_FIRST.index(judgement.verdict)):
        parts += _scenario(judgement)
    parts.append(Text())
    parts.append(Text(count_words([judgement.verdict for judgement in judgements])))
    parts += _named_again(judgements)
    if any(result.target_met is False for judgement in judgements for result in _shown(judgement)):
        parts.append(Text("! our own target was missed; the documented limit decides.", style="dim"))
    return Group(*parts)


def _named_again(judgements: Sequence[Judgement]) -> list[RenderableType]:
    """Of many runs the first ones have left the screen: name here what did not pass."""
    if len(judgements) < MANY:
        return []
    lines: list[RenderableType] = []
    for verdict in WORST_FIRST:
        names = [judgement.scenario for judgement in judgements if judgement.verdict is verdict]
        if names and verdict is not Verdict.PASS:
            lines.append(Text.assemble((f"{verdict}: ", _COLOURS[verdict]), ", ".join(names)))
    return lines


def _scenario(judgement: Judgement) -> list[RenderableType]:
    head = Table.grid(padding=(0, 1))
    head.add_column(width=WIDTH - 15, no_wrap=True, overflow="ellipsis")
    head.add_column(width=13, no_wrap=True, justify="right")
    head.add_row(Text(judgement.scenario, style="bold"), _word(judgement.verdict))
    parts: list[RenderableType] = [head]
    if judgement.verdict is not Verdict.PASS:
        parts.append(Padding(Text(judgement.reason), (0, 0, 0, 2)))
        if judgement.run:
            parts.append(Padding(Text(f"record: {judgement.run}", overflow="fold"), (0, 0, 0, 2)))
    if shown := _shown(judgement):
        table = _row_table(header=False)
        for result in sorted(shown, key=lambda result: WORST_FIRST.index(result.verdict)):
            table.add_row(*_cells(result))
        parts.append(table)
    if judgement.load is not None and judgement.load.hard:
        parts.append(Padding(Text(judgement.load.sentence(), style="dim"), (0, 0, 0, 2)))
    return parts


def _shown(judgement: Judgement) -> Sequence[CheckResult]:
    """Return what has a row: of a run that was not carried out, no check says anything."""
    return () if judgement.verdict is Verdict.HARNESS_ERROR else judgement.checks


def _row_table(*, header: bool) -> Table:
    table = Table(box=None, show_header=header, padding=(0, 1, 0, 0), pad_edge=False)
    for title, width, justify in (*_COLUMNS, *_LAST_COLUMNS):
        heading = title or "scenario / budget"
        table.add_column(heading, width=width, no_wrap=True, justify=justify)  # type: ignore[arg-type]  # two literal words
    return table


def _cells(result: CheckResult) -> tuple[RenderableType, ...]:
    return (
        Text(f"  {result.check}"),
        _word(result.verdict),
        Text(quantity(result.measured, _SHORT_UNIT.get(result.unit, result.unit))),
        Text(figure(result.limit)),
        Text(figure(result.margin)),
        Text(target(result)),
    )


def _word(verdict: Verdict) -> Text:
    return Text(str(verdict), style=_COLOURS[verdict])

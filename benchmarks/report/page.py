"""A report as sections of sentences, tables and pictures; the same ones as Markdown and as one page of HTML."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup

NOT_HERE = re.compile(r"/(home|root|work|tmp|Users)/[^\s|<]*")
"""What a kept report must not have: somebody's folders."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; a cell that begins like a number stands to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str = ""
    """Where its figures come from, under the folder of runs."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[tuple[str, str], ...] = field(default=())
    """(caption, SVG)."""


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return it as Markdown; pictures are named, not drawn."""
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += section.paragraphs
        for table in section.tables:
            rows = [_line(table.head), "|" + "---|" * len(table.head), *(_line(row) for row in table.rows)]
            parts.append("\n".join(rows))
            parts += [f"From `{table.source}`."] if table.source else []
    return clean("\n\n".join(parts) + "\n")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def page(title: str, sections: Sequence[Section]) -> str:
    """Return it as one page that needs nothing else and runs no script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawn"] = Markup  # what plot.py made: numbers, and texts that it escaped
    environment.filters["kind"] = _kind
    environment.filters["heads"] = _heads
    return clean(environment.get_template("page.html.jinja").render(title=title, sections=sections))


def _heads(table: Table) -> list[tuple[str, str]]:
    """Each column's head, with the side on which its cells stand."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.head)
    return [
        (cell, "number" if column and all(_kind(one) == "number" for one in column) else "")
        for cell, column in zip(table.head, columns, strict=True)
    ]


def _kind(cell: str) -> str:
    word = cell.split(" ", 1)[0].strip("*")
    if word in {"PASS", "kept", "caught", "held"}:
        return "good"
    if word in {"FAIL", "WORSE", "broken", "missed", "NOT"}:
        return "bad"
    return "number" if cell == "-" or re.match(r"^[-+<]?[\d.]", cell) else ""


def clean(text: str) -> str:
    """Leave out what belongs to the machine: folders of its users and its name."""
    text = NOT_HERE.sub("(a folder of this machine)", text)
    host = os.uname().nodename
    return re.sub(rf"\b{re.escape(host)}\b", "(this machine)", text) if len(host) > 3 else text  # noqa: PLR2004 - shorter is a word

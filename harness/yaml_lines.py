"""YAML text -> plain data, and the line of every key and item, which PyYAML's loader throws away.

The scalars are those of YAML 1.2's core schema: ``yes`` and ``on`` are text, ``1:30`` is no number, a date is text.
Anchors and aliases are refused: a scenario says each thing where it holds, and a few lines of aliases could stand for
gigabytes of data.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import yaml

Path = tuple[str | int, ...]
"""Where a value stands: keys and indices from the document's root."""

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "true": True, "True": True, "false": False, "False": False}
_SYNTAX_MEND = "look at the quotes, brackets and indentation of this line and the one before it"
_DIGITS_MAX = 300  # more is beyond any float


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong at a line, not yet tied to a file."""

    line: int
    message: str
    mend: str = ""


@dataclass(slots=True)
class Document:
    """A parsed text: its data, the line of every path, and what is wrong with it."""

    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or that of its nearest parent which stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """Parse one YAML document. Never raises for what the text holds: everything wrong is in ``complaints``."""
    document = Document()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            document.complaints.append(Complaint(1, "the file is empty"))
        else:
            document.data = _value(root, (), document, set())
    except yaml.MarkedYAMLError as error:
        document.complaints.append(_syntax_complaint(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.complaints.append(Complaint(line, f"the character #x{ord(text[error.position]):02x} is not allowed"))
    except RecursionError:
        document.complaints.append(Complaint(1, "nested too deeply", "a scenario is a few levels deep"))
    return document


def _syntax_complaint(error: yaml.MarkedYAMLError) -> Complaint:
    mark = error.problem_mark or error.context_mark
    text = " ".join(part for part in (error.context, error.problem) if part)
    mend = "indent with spaces, not with tabs" if "'\\t'" in text else _SYNTAX_MEND
    return Complaint(mark.line + 1 if mark else 1, f"YAML syntax: {text}", mend)


def _value(node: yaml.Node, path: Path, document: Document, seen: set[int]) -> object:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if id(node) in seen:
        document.complaints.append(Complaint(line, "an anchor and its alias are not allowed here", "write it out"))
        return None
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, seen)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), document, seen) for index, item in enumerate(node.value)]
    return _scalar(node, document) if isinstance(node, yaml.ScalarNode) else None


def _mapping(node: yaml.MappingNode, path: Path, document: Document, seen: set[int]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.complaints.append(Complaint(line, "a key must be a single word"))
            continue
        key = str(key_node.value)
        if key in mapping:
            first = document.lines[(*path, key)]
            document.complaints.append(
                Complaint(line, f"the key {key!r} stands here a second time (first in line {first})", "keep one")
            )
            continue
        document.lines[(*path, key)] = line
        mapping[key] = _value(value_node, (*path, key), document, seen)
    return mapping


def _scalar(node: yaml.ScalarNode, document: Document) -> object:
    text = str(node.value)
    if node.style in {"'", '"', "|", ">"}:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _DIGITS_MAX:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
        document.complaints.append(Complaint(node.start_mark.line + 1, f"the number {text} is too large"))
    return text

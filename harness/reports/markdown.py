"""For the summary of a CI run: what did not pass first and open, what passed folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.checks import Verdict
from harness.reports.figures import count_words, figure, target
from harness.verdict import WORST_FIRST, Judgement

_HEAD = (
    "| scenario | check | verdict | measured | limit | margin | unit | target |",
    "|---|---|---|---:|---:|---:|---|---:|",
)
_MEANS_SOMETHING = re.compile(r"([\\`*\[\]|])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "\n": " ", "\r": " "}


def render(judgements: Sequence[Judgement]) -> str:
    """Return the report as Markdown (GitHub's tables)."""
    ordered = sorted(judgements, key=lambda judgement: WORST_FIRST.index(judgement.verdict))
    others = [judgement for judgement in ordered if judgement.verdict is not Verdict.PASS]
    passed = [judgement for judgement in ordered if judgement.verdict is Verdict.PASS]
    lines = [f"**{count_words([judgement.verdict for judgement in ordered])}**", ""]
    lines += [f"- **{one.verdict}** `{one.scenario}`: {_plain(one.reason)}" for one in others]
    if others:
        lines += ["", *_table(others)]
    if passed:
        lines += ["", f"<details><summary>{len(passed)} passed</summary>", "", *_table(passed), "", "</details>"]
    return "\n".join(lines) + "\n"


def _table(judgements: Sequence[Judgement]) -> Iterator[str]:
    yield from _HEAD
    for judgement in judgements:
        if not judgement.checks:
            yield f"| {judgement.scenario} | | {judgement.verdict} | | | | | |"
        for result in sorted(judgement.checks, key=lambda result: WORST_FIRST.index(result.verdict)):
            yield (
                f"| {judgement.scenario} | {result.check} | {result.verdict} | {figure(result.measured)} | "
                f"{figure(result.limit)} | {figure(result.margin)} | {result.unit} | {target(result)} |"
            )


def _plain(text: str) -> str:
    """A reason may quote what a bridge printed: none of it may mean anything here, nor call anybody."""
    return _MEANS_SOMETHING.sub(r"\\\1", "".join(_ENTITIES.get(char, char) for char in text))

"""For the summary of a CI run: a table, failing scenarios first."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks import Verdict
from harness.reports.figures import count_words, figure, target
from harness.verdict import WORST_FIRST, Judgement


def render(judgements: Sequence[Judgement]) -> str:
    """Return the report as Markdown (GitHub's tables)."""
    ordered = sorted(judgements, key=lambda judgement: WORST_FIRST.index(judgement.verdict))
    lines = [f"**{count_words([judgement.verdict for judgement in ordered])}**", ""]
    lines += [
        f"- **{judgement.verdict}** `{judgement.scenario}`: {_cell(judgement.reason)}"
        for judgement in ordered
        if judgement.verdict is not Verdict.PASS
    ]
    lines += ["", "| scenario | check | verdict | measured | limit | margin | unit | target |"]
    lines.append("|---|---|---|---:|---:|---:|---|---:|")
    for judgement in ordered:
        if not judgement.checks:
            lines.append(f"| {judgement.scenario} | | {judgement.verdict} | | | | | |")
        lines += [
            f"| {judgement.scenario} | {result.check} | {result.verdict} | {figure(result.measured)} | "
            f"{figure(result.limit)} | {figure(result.margin)} | {result.unit} | {target(result)} |"
            for result in judgement.checks
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

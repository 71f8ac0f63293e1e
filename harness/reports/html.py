"""One page that needs nothing else: it opens without a network, runs no script, and believes nothing of what it shows.

`page.html.jinja` is its text, `page.css` its looks; this file says what stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from harness.checks import CheckResult, Verdict
from harness.checks.spans import run_end
from harness.record import Event, Meta, Phase, RunRecord
from harness.reports.contract import Judged, command_to_repeat
from harness.reports.curves import Chart, charts
from harness.reports.drawing import WIDTH, Drawing, Tick, draw, percent, time_ticks
from harness.reports.excerpts import LogLine, excerpt, wall_origin
from harness.reports.figures import count_words, figure, quantity
from harness.reports.promises import PromiseRow, rows
from harness.verdict import WORST_FIRST, Judgement

SIGNS = {
    Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?", Verdict.HARNESS_ERROR: "!", Verdict.NOT_RUN: "-",
}  # fmt: skip
"""Beside each verdict's word, so that neither colour nor reading is needed to see it."""
OPEN_MAX = 3
"""So few runs are all unfolded; of more, those that did not pass."""
_FLAG_PERCENT = 2.0
"""How wide a flag is, of the time line."""
_ALWAYS_LOGGED = ("bridge.log",)
_PRINTABLE_TOO = {"\t", "\n"}
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Band:
    """A phase above and behind the charts; its place in per cent of the run, and in the charts' own units."""

    name: str
    kind: str
    says: str
    left: float
    width: float

    @property
    def x(self) -> float:
        """Where it begins in a chart."""
        return self.left * WIDTH / 100

    @property
    def x_width(self) -> float:
        """How wide it is in a chart."""
        return self.width * WIDTH / 100


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: of a failed check or of the bridge's process."""

    kind: str
    says: str
    left: float

    @property
    def x(self) -> float:
        """Where it stands in a chart."""
        return self.left * WIDTH / 100


@dataclass(frozen=True, slots=True)
class Flag:
    """The numbers of failed checks, where they failed; those too near to one another share one."""

    numbers: tuple[int, ...]
    left: float


@dataclass(frozen=True, slots=True)
class TimeLine:
    """All pictures of a run, over one time axis."""

    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]
    flags: tuple[Flag, ...]
    ticks: tuple[Tick, ...]
    charts: tuple[tuple[Chart, Drawing], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A check of a run."""

    result: CheckResult
    number: int | None
    """Of its mark in the time line."""
    used_percent: float | None
    """How much of the limit is used; None: nothing can be used of it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that the page says of one run."""

    judgement: Judgement
    anchor: str
    unfolded: bool
    rows: tuple[Row, ...]
    nearest: Row | None
    """The check that is nearest to its limit, or furthest beyond it."""
    folder: str = ""
    what: str = ""
    why: str = ""
    seconds: float | None = None
    time_line: TimeLine | None = None
    logs: tuple[tuple[str, tuple[LogLine, ...]], ...] = ()
    events: tuple[tuple[float, str, str], ...] = ()
    meta: Meta | None = None
    repeat: str = ""

    @property
    def bridge(self) -> str:
        """The command of the bridge under test."""
        return " ".join(self.meta.bridge_command) if self.meta else ""


def render(runs: Sequence[Judged]) -> str:
    """Return the page."""
    ordered = sorted(runs, key=lambda run: WORST_FIRST.index(run.judgement.verdict))
    drawn = [_run(run, number, few=len(ordered) <= OPEN_MAX) for number, run in enumerate(ordered, start=1)]
    page: Mapping[str, Any] = {
        "runs": drawn,
        "counted": count_words([run.judgement.verdict for run in ordered]),
        "worst": ordered[0].judgement.verdict if ordered else Verdict.NOT_RUN,
        "bridges": len({run.bridge for run in drawn if run.bridge}),
        "promises": _measured([run.judgement for run in ordered]),
    }
    text = _environment().get_template("page.html.jinja").render(page)
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure, plain=plain, quantity=quantity)
    environment.globals.update(signs=SIGNS, words={verdict: str(verdict) for verdict in Verdict})
    return environment


def plain(text: object) -> str:
    """Make what cannot be seen visible: control characters, marks that turn the writing round."""
    return "".join(
        char if char.isprintable() or char in _PRINTABLE_TOO else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def _measured(judgements: Sequence[Judgement]) -> list[PromiseRow]:
    """What was measured, the broken promises first."""
    measured = [(row.worst, row) for row in rows(judgements) if row.worst is not None]
    return [row for _, row in sorted(measured, key=lambda pair: WORST_FIRST.index(pair[0].verdict))]


def _run(run: Judged, number: int, *, few: bool) -> Run:
    judgement = run.judgement
    anchor = f"run-{number}-{_NOT_IN_AN_ID.sub('-', judgement.scenario)}"
    checks = _rows(judgement.checks)
    nearest = max((row for row in checks if row.result.measured is not None), key=_used, default=None)
    unfolded = few or judgement.verdict is not Verdict.PASS
    record = run.record()
    if record is None or run.folder is None:
        return Run(judgement, anchor, unfolded, checks, nearest, folder=str(run.folder or ""))
    return Run(
        judgement,
        anchor,
        unfolded,
        checks,
        nearest,
        folder=str(run.folder),
        what=str(record.scenario.get("what", "")),
        why=str(record.scenario.get("why", "")),
        seconds=run_end(record),
        time_line=_time_line(record, judgement, checks),
        logs=_logs(run.folder, record, judgement),
        events=tuple((event.t, event.kind, _told(event)) for event in record.events),
        meta=record.meta,
        repeat=command_to_repeat(record.meta),
    )


def _rows(results: Sequence[CheckResult]) -> tuple[Row, ...]:
    """Failing checks first; each that knows its moment has a number."""
    found: list[Row] = []
    for result in sorted(results, key=lambda result: WORST_FIRST.index(result.verdict)):
        marked = result.verdict is Verdict.FAIL and result.at_seconds is not None
        number = sum(row.number is not None for row in found) + 1 if marked else None
        found.append(Row(result, number, _used_percent(result)))
    return tuple(found)


def _used_percent(result: CheckResult) -> float | None:
    if result.measured is None or not result.limit:
        return None
    return 100 * result.measured / result.limit


def _used(row: Row) -> tuple[bool, bool, float]:
    result = row.result
    exact = result.target == result.limit == result.measured  # as it must be: neither near nor far
    return result.verdict is Verdict.FAIL, not exact, row.used_percent or 0.0


def _time_line(record: RunRecord, judgement: Judgement, checks: Sequence[Row]) -> TimeLine | None:
    seconds = run_end(record)
    found = charts(record, judgement)
    if not found or seconds <= 0:
        return None
    failures = sorted(
        (percent(row.result.at_seconds, seconds), row.number, row.result.check)
        for row in checks
        if row.number is not None and row.result.at_seconds is not None
    )
    marks = [Mark("failure", f"{check} failed", left) for left, _, check in failures]
    marks += [
        Mark("process", f"{event.t:.1f} s: {_told(event)}", percent(event.t, seconds))
        for event in record.events
        if event.kind == "process" and event.data.get("role") == "bridge"
    ]
    return TimeLine(
        bands=tuple(_band(phase, seconds) for phase in record.phases),
        marks=tuple(marks),
        flags=_flags([(left, number) for left, number, _ in failures]),
        ticks=time_ticks(seconds),
        charts=tuple((chart, draw(chart.curves, chart.bounds, seconds)) for chart in found),
    )


def _flags(failures: Sequence[tuple[float, int]]) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    for left, number in failures:
        if flags and left - flags[-1].left < _FLAG_PERCENT:
            flags[-1] = Flag((*flags[-1].numbers, number), flags[-1].left)
        else:
            flags.append(Flag((number,), left))
    return tuple(flags)


def _band(phase: Phase, seconds: float) -> Band:
    left, right = percent(phase.start, seconds), percent(phase.end, seconds)
    says = f"{phase.name} ({phase.kind}), from {phase.start:.1f} s to {phase.end:.1f} s"
    return Band(phase.name, phase.kind, says, left, round(right - left, 2))


def _logs(folder: Path, record: RunRecord, judgement: Judgement) -> tuple[tuple[str, tuple[LogLine, ...]], ...]:
    """The bridge's log around what happened; every process's where the run itself could not be carried out."""
    moments = [event.t for event in record.events if event.kind == "fault"]
    moments += [
        result.at_seconds for result in judgement.checks if _failed_at(result) and result.at_seconds is not None
    ]
    moments += [event.t for event in record.events if event.kind == "process" and event.data.get("role") == "bridge"]
    whole = judgement.verdict is Verdict.HARNESS_ERROR
    names = sorted(path.name for path in folder.glob("*.log")) if whole else list(_ALWAYS_LOGGED)
    origin = wall_origin(record)
    found = [(name, excerpt(folder / name, origin, moments)) for name in names]
    return tuple((name, lines) for name, lines in found if lines)


def _failed_at(result: CheckResult) -> bool:
    return result.verdict is not Verdict.PASS and result.at_seconds is not None


def _told(event: Event) -> str:
    """Say in words what happened."""
    data = event.data
    match event.kind:
        case "phase":
            return f"{data.get('name')} begins ({data.get('phase')})"
        case "fault":
            done = "" if data.get("ok") else " FAILED"
            return f"{data.get('action')} {data.get('fault')} of {data.get('step')}{done}: {data.get('evidence')}"
        case "process":
            known = {"signal": "", "exit_code": "code ", "pid": "pid "}
            more = ", ".join(f"{word}{data[key]}" for key, word in known.items() if data.get(key) is not None)
            return f"{data.get('role')} {data.get('action')}" + (f" ({more})" if more else "")
        case "note":
            return str(data.get("text"))
        case _:
            return ", ".join(f"{key}: {value}" for key, value in data.items())

"""What is on the screen while runs go."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from harness.batch import Plan
from harness.checks import Verdict
from harness.reports.progress import Progress
from harness.verdict import Judgement
from tests.harness.histories import scenario


def plan(name: str, folder: str = "") -> Plan:
    return Plan(scenario(name=name), "embedded", Path(folder or f"{name}-embedded-20260101T000000"), 1)


def judgement(verdict: Verdict, reason: str = "It broke.") -> Judgement:
    return Judgement("x", "embedded", verdict, reason)


def drawn(progress: Progress) -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(progress._table())
    return [line.rstrip() for line in capture.get().splitlines()]


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_each_run_has_one_line_of_80_columns_and_the_last_line_says_how_far_it_is():
    now = [0.0]
    progress = Progress(terminal(), 4, clock=lambda: now[0])
    progress.started(plan("a-scenario-with-a-rather-long-name/and-a-variant"))
    now[0] = 2.0
    progress.started(plan("short"))
    progress.said(plan("short"), "blink: file-missing for 3 s " * 5)
    now[0] = 5.0

    lines = drawn(progress)

    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:2] == ["5.0", "s"]
    assert lines[1].split()[:4] == ["3.0", "s", "short", "blink:"]
    assert lines[2].split() == ["5.0", "s", "0", "of", "4", "runs", "done"]


def test_runs_of_one_scenario_have_a_line_each():
    progress = Progress(terminal(), 2)
    progress.started(plan("same", "same-1"))
    progress.started(plan("same", "same-2"))

    assert len(drawn(progress)) == 3


def test_what_did_not_pass_is_told_before_the_end():
    progress = Progress(terminal(), 3)
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE):
        progress.started(plan(verdict.lower().replace(" ", "-")))
        progress.ended(plan(verdict.lower().replace(" ", "-")), judgement(verdict))

    (last,) = drawn(progress)

    assert "3 of 3 runs done" in last
    assert last.endswith("1 FAIL, 1 INCONCLUSIVE so far")


def test_where_there_is_no_terminal_each_change_of_few_runs_is_a_line():
    screen = io.StringIO()
    progress = Progress(Console(file=screen, width=80, color_system=None), 1, clock=lambda: 1.5)
    with progress:
        progress.started(plan("short"))
        progress.ended(plan("short"), judgement(Verdict.FAIL))

    assert screen.getvalue().splitlines() == ["  0.0 s  short: starting", "  0.0 s  [1/1] short: FAIL: It broke."]


def test_where_there_is_no_terminal_many_runs_have_a_line_at_their_end_and_one_after_a_silence():
    screen, now = io.StringIO(), [0.0]
    progress = Progress(Console(file=screen, width=80, color_system=None), 4, clock=lambda: now[0])
    with progress:
        for name in ("short", "long"):
            progress.started(plan(name))
        progress.said(plan("short"), "warm-up for 1 s")
        now[0] = 29.9
        progress.ended(plan("short"), judgement(Verdict.PASS))
        now[0] = 59.8
        progress.said(plan("long"), "blink: file-missing for 3 s")
        now[0] = 59.9
        progress.said(plan("long"), "steady for 2 s")

    assert screen.getvalue().splitlines() == [
        " 29.9 s  [1/4] short: PASS",
        " 59.9 s  1 of 4 runs done; going on: long (steady for 2 s)",
    ]

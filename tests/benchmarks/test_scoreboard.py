from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS
from benchmarks.scoreboard import AGAIN, BEGIN, END, Board, Cell, ahead, figures_table, promises_table, put_into
from harness import promises
from harness.checks import CheckResult, Verdict
from harness.verdict import Judgement


def judged(scenario: str, verdict: Verdict, measured: float | None = 3.0) -> Judgement:
    result = CheckResult(
        "every-write-delivered", "collector-outage", verdict, measured, "lost writes", 0, 0, 5, 1, "So."
    )
    return Judgement(scenario, "embedded", verdict, "", checks=(result,))


def cell(*judgements: Judgement) -> str:
    rows = [line.split(" | ") for line in promises_table({"it": judgements}).splitlines()]
    return next(row[1].removesuffix(" |") for row in rows if row[0] == "| collector-outage")


def test_every_promise_has_its_row():
    rows = {line.split(" | ")[0].removeprefix("| ") for line in promises_table({"it": []}).splitlines()[2:]}
    assert rows == set(promises.load().promises)


def test_one_broken_scenario_breaks_the_promise_and_is_named_with_its_figure():
    said = cell(judged("a", Verdict.PASS), judged("b", Verdict.FAIL))
    assert said == "**broken** in 1 of 2: every-write-delivered 3 lost writes (b)"


def test_what_never_came_has_no_figure():
    assert cell(judged("a", Verdict.FAIL, None)) == "**broken** in 1 of 1: every-write-delivered never (a)"


def test_an_undecided_scenario_is_no_kept_promise():
    assert cell(judged("a", Verdict.PASS), judged("b", Verdict.INCONCLUSIVE)) == "undecided in 1 of 2"


def test_a_promise_without_a_check_is_not_measured():
    assert cell() == "not measured"


def test_the_table_replaces_what_stands_between_the_markers(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n", encoding="utf-8")
    put_into(page, "new\n")
    assert page.read_text(encoding="utf-8") == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"


def test_a_page_without_markers_is_left_alone(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("above\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="scoreboard"):
        put_into(page, "new\n")
    assert page.read_text(encoding="utf-8") == "above\n"


def board(ours: list[float], again: list[float], telegraf: list[float], key: str = "rss") -> Board:
    nothing = {column.key: Cell((), ()) for column in COLUMNS}
    measured = {OURS: ours, AGAIN: again, "telegraf": telegraf}
    return Board({}, {name: nothing | {key: Cell(tuple(values), ())} for name, values in measured.items()}, {})


def test_another_that_is_ahead_beyond_the_noise_is_named_with_its_lead():
    said = ahead(board([25.0, 26.0], [25.5], [20.0]))
    assert said == ["Telegraf, custom build is ahead in RSS: 20 against 25.5 MiB, by 5.50 (A/A 1)."]


def test_a_lead_within_the_noise_is_none():
    assert not ahead(board([25.0, 27.0], [26.0], [24.5]))


def test_where_more_is_better_the_one_with_more_is_ahead():
    assert ahead(board([90.0], [90.0], [100.0], key="fields"))
    assert not ahead(board([100.0], [100.0], [90.0], key="fields"))


def test_the_noise_is_that_of_our_bridge_against_itself_and_no_contestant_of_its_own():
    rows = figures_table(board([25.0], [26.0], [20.0])).splitlines()
    assert rows[0] == "| figure | this bridge | Telegraf, custom build | A/A |"
    assert rows[2] == "| RSS, MiB | 25 | 20 | 1 |"


def test_a_figure_that_nobody_measured_is_a_dash():
    rows = figures_table(board([25.0], [26.0], [20.0])).splitlines()
    assert "| peak, MiB | - | - | - |" in rows

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scoreboard
from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS, SHORT
from benchmarks.scoreboard import AGAIN, BEGIN, END, Board, Cell, ahead, figures_table, promises_table, put_into
from harness import promises
from harness.checks import CheckResult, Verdict
from harness.record import Event, Export, Meta, Point, RunRecord
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


def test_checks_that_passed_without_their_fault_keep_no_promise():
    doubtful = replace(judged("a", Verdict.PASS), verdict=Verdict.INCONCLUSIVE, doubts=("No fault.",))
    assert cell(doubtful, judged("b", Verdict.PASS)) == "undecided in 1 of 2"


def test_a_run_that_was_not_carried_out_breaks_no_promise_and_keeps_none():
    assert cell(replace(judged("a", Verdict.FAIL), verdict=Verdict.HARNESS_ERROR)) == "undecided in 1 of 1"


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


def test_a_noise_that_nobody_measured_is_not_told_as_none():
    assert ahead(board([90.0], [], [100.0], key="fields"))[0].endswith("by 10 (A/A not measured).")


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


def test_a_noise_too_small_to_be_written_is_not_written_as_none():
    assert figures_table(board([25.0], [25.0002], [20.0])).splitlines()[2] == "| RSS, MiB | 25 | 20 | <0.001 |"


OUTAGE = RunRecord(
    Meta(1, "outage-1", SHORT, "embedded", ("it",), 1, "", 0.0, {}, {}, complete=True, ended=60.0),
    {"bridge": {"interval": 1.0}},
    events=(Event(20.0, "fault", {"action": "heal", "ok": True}),),
    exports=(Export(21.5, "OK", 9, {}, (Point("ml.training.loss", "gauge", 1.0, 0, 0, {}),)),),
)


@pytest.mark.parametrize(
    ("verdict", "doubts", "measured"),
    [
        (Verdict.FAIL, (), (1.5,)),
        (Verdict.FAIL, ("The fault of outage was never put in place.",), ()),
        (Verdict.HARNESS_ERROR, (), ()),
    ],
)
def test_a_run_whose_fault_was_not_in_place_or_that_broke_off_gives_no_figure_and_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdict: Verdict, doubts: tuple[str, ...], measured: tuple
):
    (tmp_path / OURS / "outage-1").mkdir(parents=True)
    (tmp_path / OURS / "outage-1" / "run.json").write_text("{}")
    monkeypatch.setattr(scoreboard, "load", lambda _: OUTAGE)
    monkeypatch.setattr(scoreboard, "judge", lambda _: Judgement(SHORT, "embedded", verdict, "So.", doubts=doubts))
    found = scoreboard.read(tmp_path)
    assert found.cells[OURS]["recovery-30"].values == measured
    assert found.left_out == ({} if measured else {"ours/outage-1": doubts[0] if doubts else "So."})
    assert ("Left out: ours/outage-1." in scoreboard.text_of(found)) is not bool(measured)


def test_a_folder_without_runs_and_a_damaged_record_end_with_what_is_wrong(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"make them with python -m benchmarks\.contest"):
        scoreboard.main([str(tmp_path)])
    (tmp_path / OURS / "cost-1").mkdir(parents=True)
    (tmp_path / OURS / "cost-1" / "run.json").write_text("{")
    with pytest.raises(SystemExit, match=r"cost-1/run\.json"):
        scoreboard.main([str(tmp_path)])


def test_a_page_that_is_nowhere_is_named(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"nowhere\.md cannot be read"):
        put_into(tmp_path / "nowhere.md", "new\n")


def test_the_command_that_readme_shows_names_the_folder_that_it_needs():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"`python -m benchmarks\.scoreboard([^`]*)`", readme)
    assert words == " runs/contest"

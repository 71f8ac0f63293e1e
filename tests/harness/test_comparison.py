"""What `compare` says of two sets of runs, on verdicts made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness.checks import CheckResult, Verdict
from harness.command_line import cli
from harness.comparison import Row, Said, compare, compare_folders, figures_of
from harness.reports import Judged, comparison
from harness.scenario import Scenario
from harness.verdict import Judgement
from tests.harness.histories import good, samples
from tests.harness.histories import scenario as by_hand
from tests.harness.test_command_line import lay_down


def run(measured: float | None, verdict: Verdict = Verdict.PASS, *, check: str = "rss-p95") -> Judged:
    result = CheckResult(check, "memory-steady", verdict, measured, "MiB", 50.0, 28.0, 9, 5, "It was so.")
    return Judged(Judgement("steady", "embedded", verdict, "", "r", (result,)))


def row(a: list[Judged], b: list[Judged]) -> Row:
    (found,) = compare(figures_of(a), figures_of(b))
    return found


def test_beyond_the_noise_of_a_against_itself_a_higher_figure_is_worse_and_a_lower_one_better():
    noisy = [run(24.0), run(25.0), run(26.0)]

    assert row(noisy, [run(27.1)]).said is Said.WORSE
    assert row(noisy, [run(27.0)]).said is Said.SAME
    assert row(noisy, [run(23.0)]).said is Said.SAME
    assert row(noisy, [run(22.9)]).said is Said.BETTER
    assert row(noisy, [run(27.1)]).noise == 2.0


def test_the_noise_of_either_side_counts():
    assert row([run(25.0), run(25.0)], [run(24.0), run(30.0)]).said is Said.SAME


def test_without_several_runs_a_difference_is_not_judged_and_an_equal_figure_is_the_same():
    assert row([run(25.0)], [run(26.0)]).said is Said.UNKNOWN
    assert row([run(25.0)], [run(25.0)]).said is Said.SAME


def test_a_promise_that_breaks_is_worse_whatever_the_noise():
    noisy = [run(10.0), run(60.0)]

    assert row([run(49.0), run(10.0)], [run(50.5, Verdict.FAIL)]).said is Said.WORSE
    assert row([run(None, Verdict.FAIL)], [run(30.0)]).said is Said.BETTER
    assert row(noisy, [run(None, Verdict.FAIL)]).said is Said.WORSE


def test_runs_that_were_not_carried_out_have_no_figures():
    broken = Judged(replace(run(99.0).judgement, verdict=Verdict.HARNESS_ERROR))

    assert figures_of([broken]) == {}


def test_the_ratio_is_of_the_medians_and_there_is_none_to_nothing():
    assert row([run(20.0), run(30.0), run(25.0)], [run(50.0)]).ratio == 2.0
    assert row([run(0.0)], [run(50.0)]).ratio is None


def test_the_table_fits_80_columns_and_the_worst_stands_first():
    a = figures_of([run(25.0), run(25.0, check="x" * 40), run(1.0, check="values-after-fault")])
    b = figures_of([run(51.0, Verdict.FAIL), run(25.0, check="x" * 40), run(2.0, check="values-after-fault")])
    console = Console(width=80, color_system=None)

    with console.capture() as capture:
        console.print(comparison.draw(compare(a, b)))

    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["rss-p95", "25", "MiB", "51", "MiB", "2.04x", "-", "WORSE"]
    assert lines[3].split()[-1] == "?"
    assert "1 worse, 0 better, 1 the same within the noise, 1 differ and their noise is not" in capture.get()


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Lays down a whole run with so much memory, and returns its folder."""
    checks = [{"check": "rss-p95", "promise": "memory-steady"}]

    def lay_one(folder: str, rss_mib: float, *, bridge: str = "ours", name: str = "by-hand") -> Path:
        scenario: Scenario = by_hand(name=name, checks=checks)
        record = good(resources=samples(rss_mib=rss_mib))
        record = replace(record, meta=replace(record.meta, bridge_command=(bridge,)))
        lay_down(record, scenario, tmp_path / folder)
        return tmp_path / folder

    return lay_one


def test_runs_of_the_same_bridge_beside_a_single_one_tell_the_noise(lay: Callable[..., Path]):
    a, b = lay("runs/a1", 25.0), lay("runs/b", 26.5, bridge="theirs")
    lay("runs/a2", 26.0)
    lay("runs/other", 40.0, name="another")

    (found,) = compare_folders(a, b)

    assert (found.noise, found.said) == (pytest.approx(1.0), Said.WORSE)
    assert (found.a.median, found.b.median) == (25.0, 26.5)


def test_the_run_that_is_compared_is_no_noise(lay: Callable[..., Path]):
    (found,) = compare_folders(lay("runs/a", 25.0), lay("runs/b", 45.0))

    assert (found.noise, found.said) == (None, Said.UNKNOWN)


def test_the_verb_says_it_by_its_exit_code_and_as_json(lay: Callable[..., Path]):
    a, b = lay("a/1", 25.0).parent, lay("b/1", 30.0).parent
    lay("a/2", 25.5)

    table = CliRunner().invoke(cli, ["compare", str(a), str(b)])
    same = CliRunner().invoke(cli, ["compare", str(a), str(a)])
    found = CliRunner().invoke(cli, ["compare", str(a), str(b), "--json"])

    assert (table.exit_code, same.exit_code, found.exit_code) == (1, 0, 1)
    assert "WORSE" in table.output
    (entry,) = json.loads(found.output)
    assert entry["said"] == "worse"
    assert entry["a"]["values"] == [25.0, 25.5]
    assert entry["noise"] == 0.5


def test_what_cannot_be_compared_is_a_bad_argument_with_a_sentence(lay: Callable[..., Path], tmp_path: Path):
    a, b = lay("a/1", 25.0).parent, lay("b/1", 25.0, name="another").parent
    lay("c/1", 25.0)
    lay("c/2", 25.0, bridge="theirs")
    (tmp_path / "empty").mkdir()

    def said(*words: Path) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["compare", *map(str, words)])
        return result.exit_code, result.output

    assert said(a, b) == (3, f"{a} and {b} have no scenario in common that was run on the same rig\n")
    assert said(tmp_path / "c", a) == (
        3, f"{tmp_path / 'c'} holds runs of 2 different bridges: name one of its runs\n",
    )  # fmt: skip
    assert said(a, tmp_path / "empty")[0] == 3

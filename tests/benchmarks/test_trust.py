"""The table of trust: what counts, what is told, and when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import trust
from benchmarks.trust import BEGIN, END, Told
from harness.checks import Verdict


def run(verdict: Verdict = Verdict.PASS, *, scenario: str = "steady", transport: str = "http2") -> Told:
    return Told(transport, scenario, "embedded", verdict, "a reason | with a bar", 1.0, "Linux, 2 cores")


def test_a_hundred_passes_and_one_inconclusive_hold():
    assert trust.holds([run()] * 100 + [run(Verdict.INCONCLUSIVE)])


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.HARNESS_ERROR])
def test_one_fail_or_error_among_a_thousand_does_not_hold(verdict: Verdict):
    assert not trust.holds([run()] * 1000 + [run(verdict)])


def test_more_than_one_inconclusive_in_a_hundred_does_not_hold():
    assert not trust.holds([run()] * 98 + [run(Verdict.INCONCLUSIVE)] * 2)


def test_no_runs_hold_nothing():
    assert not trust.holds([])


def test_repetitions_are_those_of_the_scenario_that_was_run_least():
    assert trust.repetitions([run(), run(), run(scenario="idle")]) == 1


def test_each_verdict_that_was_not_pass_is_told_with_its_reason_in_one_cell():
    text = trust.text_of([run(), run(Verdict.FAIL, scenario="idle", transport="grpcio")])
    assert "| idle | grpcio | FAIL | a reason / with a bar |" in text
    assert "| over http2 | 1 | 1 | 1 | 1 | 0 | 0 | 0 | 0.00 % |" in text
    assert "| together | 1 | 2 | 2 | 1 | 1 | 0 | 0 | 0.00 % |" in text


def test_what_failed_is_told_before_what_is_not_known():
    text = trust.text_of([run(Verdict.INCONCLUSIVE, scenario="idle"), run(Verdict.FAIL, scenario="steady")])
    assert text.index("| steady |") < text.index("| idle |")


def test_a_record_that_cannot_be_read_is_an_error_and_no_run_less(tmp_path: Path):
    folder = tmp_path / "steady-1"
    folder.mkdir()
    (folder / "run.json").write_text("{")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    assert trust.main([str(tmp_path), "--into", str(page)]) == 1
    assert "| steady-1 | unknown | HARNESS ERROR |" in page.read_text()


def test_without_a_record_the_session_that_makes_them_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        trust.main([str(tmp_path)])
    assert "nox -s trust" in capsys.readouterr().err

"""What the reports say, and that the table fits 80 columns."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.reports import REPORTS, Judged, console
from harness.reports.figures import figure, quantity
from harness.verdict import WORST_FIRST, Judgement


def result(check: str = "alive", verdict: Verdict = Verdict.PASS, measured: float | None = 1.0) -> CheckResult:
    return CheckResult(check, "latency", verdict, measured, CHECKS[check].unit, 30.0, 0.25, 9, 5, "It was so at 3.0 s.")


PASSED = Judgement("steady", "embedded", Verdict.PASS, "All kept.", "r1", (result(),))
FAILED = Judgement(
    "collector-outage/refused",
    "embedded",
    Verdict.FAIL,
    "collector-outage broke: 3 of 14 writes never reached the sink, the first of them write 4, at 6.5 s.",
    "r2",
    (result(), result("every-write-delivered", Verdict.FAIL, 31.0)),
)
ERROR = Judgement("missing-file", "embedded", Verdict.HARNESS_ERROR, "The port was taken.", "r3")
NOT_RUN = Judgement("cut", "embedded", Verdict.NOT_RUN, "The rig embedded has no scissors.")
UNSURE = Judgement("torn-writes", "embedded", Verdict.INCONCLUSIVE, "Too few.", "r4", (result(measured=None),))
ALL = [PASSED, NOT_RUN, UNSURE, ERROR, FAILED]


def drawn(form: str, judgements: Sequence[Judgement]) -> str:
    """The report of runs that left no folder."""
    return REPORTS[form]([Judged(judgement) for judgement in judgements])


def test_the_table_fits_80_columns_with_every_check_unit_and_verdict():
    units = {budget.unit for promise in promises.load().promises.values() for budget in promise.budgets.values()}
    checks = tuple(
        CheckResult(check, "p", verdict, 123456.789, unit, 123456.789, 123456.789, 1, 1, "x" * 200)
        for check in CHECKS
        for verdict in Verdict
        for unit in units
    )
    name = "a" * 60 + "/" + "b" * 60

    text = console.render([Judgement(name, "embedded", verdict, "word " * 60, "r", checks) for verdict in Verdict])

    assert max(map(len, text.splitlines())) <= 80
    for check in CHECKS:
        assert f"  {check} " in text


def test_no_usual_figure_is_cut_in_its_column_for_the_length_of_its_unit():
    units = {budget.unit for promise in promises.load().promises.values() for budget in promise.budgets.values()}
    checks = tuple(
        CheckResult("alive", "p", Verdict.PASS, measured, unit, 1.0, 0.0, 1, 1, "So it was.")
        for unit in units
        for measured in (1.0, 0.125, 12345.0)
    )

    text = console.render([Judgement("a", "embedded", Verdict.PASS, "All kept.", "r", checks)])

    assert "…" not in text


def test_verdicts_are_words_whole_and_without_colour():
    text = console.render(ALL)

    for verdict in Verdict:
        assert str(verdict) in text
    assert "\x1b" not in text


def test_a_missed_target_is_explained_only_where_its_mark_stands():
    missed = result(measured=1.0)
    unseen = Judgement("x", "embedded", Verdict.HARNESS_ERROR, "The port was taken.", "r", (missed,))

    assert "!" in console.render([PASSED])
    assert "our own target" not in console.render([unseen])


def test_a_check_without_a_figure_has_no_unit_either():
    (line,) = [line for line in console.render([UNSURE]).splitlines() if line.startswith("  alive ")]

    assert line.split() == ["alive", "PASS", "-", "30", "-", "0.250"]


def test_failing_scenarios_stand_first_with_their_reason_and_their_failing_check_first():
    text = console.render(ALL)

    lines = text.splitlines()
    assert lines[1].split() == ["collector-outage/refused", "FAIL"]
    reason = " ".join(line.strip() for line in lines[2:4])
    assert reason == FAILED.reason
    assert lines[4].split() == ["record:", FAILED.run]
    assert lines[5].split() == ["every-write-delivered", "FAIL", "31", "lost", "30", "-1", "0.250!"]
    heads = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert heads[1:6] == ["collector-outage/refused", "missing-file", "torn-writes", "cut", "steady"]


def test_the_figures_of_a_run_that_could_not_be_carried_out_are_not_drawn():
    broken = Judgement("x", "embedded", Verdict.HARNESS_ERROR, "No sink.", "r", (result(),))

    assert "alive" not in console.render([broken])


def test_a_missed_target_is_marked_and_the_mark_explained():
    text = console.render([PASSED])

    assert "0.250!" in text
    assert "! our own target was missed" in text


def test_what_did_not_pass_is_named_again_below_a_long_table():
    lines = console.render(ALL).splitlines()

    end = lines[lines.index("1 FAIL, 1 HARNESS ERROR, 1 INCONCLUSIVE, 1 NOT RUN, 1 PASS") + 1 :]
    assert end[:4] == [
        "FAIL: collector-outage/refused", "HARNESS ERROR: missing-file", "INCONCLUSIVE: torn-writes", "NOT RUN: cut",
    ]  # fmt: skip
    assert "FAIL: collector" not in console.render([FAILED, PASSED])


def test_the_count_of_verdicts_stands_at_the_end():
    assert "1 FAIL, 1 HARNESS ERROR, 1 INCONCLUSIVE, 1 NOT RUN, 1 PASS" in console.render(ALL)
    assert "nothing run" in console.render([])


def test_colour_is_there_on_a_terminal():
    screen = io.StringIO()
    Console(file=screen, force_terminal=True, color_system="standard", width=80).print(console.draw(ALL))

    assert "\x1b[" in screen.getvalue()


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "-"), (0.0, "0"), (5.0, "5"), (0.31234, "0.312"), (3.14159, "3.14"), (26.24, "26.2"), (30.001, "30"),
     (123.4, "123"), (0.00004, "<0.001"), (-1.0, "-1"), (-0.5, "-0.500")],
)  # fmt: skip
def test_figures_have_three_digits_and_no_exponents(value: float | None, written: str):
    assert figure(value) == written


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [(1.0, "exits", "1 exit"), (2.0, "exits", "2 exits"), (0.0, "exits", "0 exits"), (1.004, "calls/s", "1.00 calls/s"),
     (1.0, "wrong deliveries", "1 wrong delivery"), (1.0, "s", "1 s"), (1.0, "series a job", "1 series a job"),
     (None, "s", "-")],
)  # fmt: skip
def test_one_of_what_is_counted_is_in_the_singular(value: float | None, unit: str, written: str):
    assert quantity(value, unit) == written


def test_markdown_has_a_row_for_each_check_and_a_reason_for_each_that_did_not_pass():
    text = drawn("markdown", ALL)

    assert "| collector-outage/refused | every-write-delivered | FAIL | 31 | 30 | -1 | lost writes | 0.250! |" in text
    assert f"- **FAIL** `collector-outage/refused`: {FAILED.reason}" in text
    assert "- **PASS**" not in text


def test_junit_counts_failures_errors_and_skipped():
    root = ET.fromstring(drawn("junit", ALL))  # noqa: S314 - our own text

    counts = {suite.get("name"): (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped"))
              for suite in root}  # fmt: skip
    assert counts == {
        "steady": ("2", "0", "0", "0"),
        "cut": ("1", "0", "0", "1"),
        "torn-writes": ("2", "0", "1", "0"),
        "missing-file": ("1", "0", "1", "0"),
        "collector-outage/refused": ("3", "1", "0", "0"),
    }


def test_junit_has_the_attributes_and_the_order_that_jenkins_schema_asks_for():
    root = ET.fromstring(drawn("junit", ALL))  # noqa: S314 - our own text
    allowed = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        "testcase": {"name", "time", "classname"},
        "property": {"name", "value"},
        **dict.fromkeys(("failure", "error", "skipped"), frozenset({"type", "message"})),
        **dict.fromkeys(("properties", "system-out"), frozenset()),
    }

    for element in root.iter():
        assert set(element.attrib) <= allowed[element.tag], element.tag
    assert all({"name", "tests", "failures", "errors"} <= set(suite.attrib) for suite in root)
    assert all(
        re.fullmatch(r"\d+\.\d{3}", element.attrib["time"]) for element in root.iter() if "time" in element.attrib
    )


def test_runs_of_one_scenario_are_suites_of_their_own_in_junit():
    twice = [Judgement("steady", "embedded", Verdict.PASS, "", run, (result(),)) for run in ("r1", "r2")]

    root = ET.fromstring(drawn("junit", twice))  # noqa: S314 - our own text

    assert [suite.get("name") for suite in root] == ["r1", "r2"]


def test_junit_is_xml_whatever_a_reason_holds():
    odd = Judgement("x", "embedded", Verdict.FAIL, "\x00 <&> \ud800", "r")

    assert ET.fromstring(drawn("junit", [odd])).find(".//failure") is not None  # noqa: S314 - our own text


def test_the_table_of_what_passed_is_folded_away_and_stands_last():
    text = drawn("markdown", ALL)

    assert text.index("| collector-outage/refused |") < text.index("<details><summary>1 passed</summary>")
    assert text.index("<details><summary>1 passed</summary>") < text.index("| steady |")


def test_what_a_bridge_printed_means_nothing_in_markdown():
    said = "its last lines: <script>x</script> | @everyone `a` [b](c) *d*\n# e"

    text = drawn("markdown", [Judgement("x", "embedded", Verdict.FAIL, said, "r")])

    assert "&lt;script&gt;x&lt;/script&gt; \\| &#64;everyone \\`a\\` \\[b\\](c) \\*d\\* # e" in text


def test_the_trend_has_every_measured_figure():
    figures = json.loads(drawn("trend", ALL))

    assert {"name": "collector-outage/refused every-write-delivered", "unit": "lost writes", "value": 31.0} in figures
    assert len(figures) == 3


def test_the_trend_of_several_runs_is_their_median_with_the_distance_between_them():
    runs = [Judgement("steady", "local", Verdict.PASS, "", "r", (result(measured=value),)) for value in (1.0, 2.0, 4.0)]

    (figure_,) = json.loads(drawn("trend", runs))

    assert figure_ == {
        "name": "steady alive on local", "unit": "exits", "value": 2.0, "range": "3", "extra": "median of 3 runs",
    }  # fmt: skip


def test_the_trend_leaves_out_what_nobody_should_believe():
    broken = Judgement("steady", "embedded", Verdict.HARNESS_ERROR, "", "r", (result(),))
    unsure = Judgement("steady", "embedded", Verdict.FAIL, "", "r", (result(verdict=Verdict.INCONCLUSIVE),))

    assert json.loads(drawn("trend", [broken, unsure])) == []


def test_every_verdict_has_its_place_in_the_order():
    assert set(WORST_FIRST) == set(Verdict)

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.compare import finding, told_of
from benchmarks.report import blocks, proofs, sections
from benchmarks.report.__main__ import main
from benchmarks.report.figures import Figure, Gate, compare, gates, gone, missing, of_trend
from benchmarks.report.page import Section, Table, markdown, page
from benchmarks.report.plot import draw
from harness.record import Export, Meta, Point, RunRecord
from harness.samples import ResourceSample

RSS = Figure("rss", "MiB", 25.0, noise=0.5)
GATE = Gate("rss", "why")


def said(value: float, last: Figure | None = RSS, gate: Gate | None = GATE, **changes: object) -> tuple[str, bool]:
    figure = replace(RSS, value=value, **changes)
    (found,) = compare([figure], {} if last is None else {"rss": last}, [gate] if gate else [])
    return found.said, found.fails


def test_a_gating_figure_that_got_worse_beyond_the_noise_fails():
    assert said(25.6) == ("WORSE", True)
    assert said(25.4) == ("same", False)
    assert said(24.0) == ("better", False)


def test_where_more_is_better_less_is_worse():
    last = replace(RSS, better="higher")
    assert said(20.0, last, better="higher") == ("WORSE", True)
    assert said(30.0, last, better="higher") == ("better", False)


def test_the_larger_noise_of_both_releases_counts():
    assert said(27.0, replace(RSS, noise=3.0)) == ("same", False)


def test_a_gates_tolerance_is_a_share_of_the_last_figure():
    assert said(27.0, gate=replace(GATE, tolerance=0.1)) == ("same", False)
    assert said(28.0, gate=replace(GATE, tolerance=0.1)) == ("WORSE", True)


def test_a_figure_beyond_its_limit_fails_also_in_the_first_release():
    assert said(25.0, None, replace(GATE, limit=24.0)) == ("new", True)
    assert said(25.0, None, replace(GATE, limit=26.0)) == ("new", False)
    assert said(99.0, None, replace(GATE, limit=100.0), better="higher") == ("new", True)


@pytest.mark.parametrize(
    ("value", "verdict"), [(23.4, "PASS"), (23.6, "UNDECIDED"), (24.4, "UNDECIDED"), (24.6, "FAIL")]
)
def test_what_is_nearer_to_its_limit_than_its_noise_is_decided_by_nobody(value: float, verdict: str):
    (found,) = compare([replace(RSS, value=value)], {}, [replace(GATE, limit=24.0)])
    assert found.verdict == verdict
    section = sections.gating([found], [], "")
    assert section.tables[0].rows[0][0] == verdict
    assert (sections.UNDECIDED in section.paragraphs) == (verdict == "UNDECIDED")
    exact = replace(RSS, value=24.0, noise=None)
    assert compare([exact], {}, [replace(GATE, limit=24.0)])[0].verdict == "PASS"


def test_runs_of_one_bridge_may_lie_further_apart_than_one_run_can_see():
    assert said(26.9, gate=replace(GATE, apart=2.0)) == ("same", False)
    assert said(27.1, gate=replace(GATE, apart=2.0)) == ("WORSE", True)


def test_a_count_that_is_known_is_worse_where_it_is_less_too():
    gate = replace(GATE, exact=True)
    assert said(24.0, gate=gate) == ("WORSE", True)
    assert said(25.0, gate=gate) == ("same", False)
    assert next(one for one in gates() if one.name == "series").exact


def test_figures_of_different_units_are_not_compared():
    assert said(25_000.0, unit="KiB") == ("new", False)


def test_a_figure_that_only_the_last_release_had_is_gone():
    assert gone([RSS], {"rss": RSS, "cpu": RSS}) == ["cpu"]


def test_a_figure_that_does_not_gate_is_marked_and_fails_nothing():
    assert said(30.0, gate=None) == ("WORSE", False)


def test_a_gating_figure_that_nobody_measured_is_missing():
    assert missing([], [GATE]) == [GATE]
    assert not missing([RSS], [GATE])


def test_every_gate_says_why_it_is_one():
    listed = gates()
    assert len({gate.name for gate in listed}) == len(listed) <= 15
    assert all(gate.why for gate in listed)


def test_figures_survive_the_trend_file():
    assert of_trend(json.loads(json.dumps([RSS.as_json()]))) == {"rss": RSS}


def test_a_page_needs_nothing_else_and_believes_nothing_of_what_it_shows():
    table = Table(("<u>",), (("**broken** <s>",),))
    text = page("<b>", [Section("<i>", ("<script>",), (table,), (("<p>", "<svg></svg>"),))])
    assert not any(tag in text for tag in ("<b>", "<i>", "<script>", "<u>", "<s>", "<p>\n<svg", "http://", "https://"))
    assert "<svg></svg>" in text
    assert 'class="bad"' in text


def test_neither_folders_of_this_machine_nor_its_name_stand_in_a_report():
    secret = f"/home/somebody/run.json on {os.uname().nodename}"
    for text in (page("t", [Section("s", (secret,))]), markdown("t", [Section("s", (secret,))])):
        assert "somebody" not in text
        assert len(os.uname().nodename) <= 3 or os.uname().nodename not in text


def test_a_picture_has_a_dot_for_each_figure_and_none_for_what_has_no_logarithm():
    assert draw([(1, 2), (10, 20), (100, 0)], x="x", y="<y>", title="t").count("<circle") == 2
    assert "&lt;y&gt;" in draw([(1, 2)], x="x", y="<y>", title="t")
    assert not draw([], x="x", y="y", title="t")


def test_what_grows_in_every_block_is_a_leak():
    leak = blocks.Blocks("RSS", "MiB", blocks.medians([(float(t), 20 + t / 100) for t in range(1000)]), 0.5)
    settles = blocks.Blocks("RSS", "MiB", blocks.medians([(float(t), min(25.0, 20 + t)) for t in range(1000)]), 0.5)
    assert (leak.verdict, settles.verdict) == ("FAIL", "PASS")
    assert blocks.Blocks("RSS", "MiB", blocks.medians([]), 0.5).verdict == "INCONCLUSIVE"


def test_each_figure_of_a_long_run_is_its_own_and_of_the_bridge_alone():
    def sample(t: int, role: str = "bridge") -> ResourceSample:
        return ResourceSample(float(t), role, 0.0, (20 + t) * 2**20, 0, 3, 9 if role == "job" else 5 + t // 10, 1)

    points = tuple(Point(name, "gauge", 1.0, 0, 0, {}) for name in ("a", "b"))
    record = RunRecord(
        Meta(1, "soak-1", "soak", "embedded", ("it",), 1, "", 0.0, {}, {}, complete=True, ended=600.0),
        {},
        resources=tuple(sample(t, role) for t in range(600) for role in ("bridge", "job")),
        exports=tuple(
            Export(float(t), "OK" if t % 2 else "UNAVAILABLE", 9, {}, points[: 1 + t % 2]) for t in range(600)
        ),
    )
    found = {one.name: one for one in blocks.blocks(record)}
    assert found["RSS"].medians[0] == pytest.approx(124.5, abs=1)
    assert {name: one.verdict for name, one in found.items()} == {
        "RSS": "FAIL",
        "file descriptors": "FAIL",
        "threads": "PASS",
        "series in a call": "PASS",
    }
    assert found["threads"].medians == (3.0,) * 6
    assert found["series in a call"].medians == (2.0,) * 6


def test_a_markdown_table_is_read_back_as_it_was():
    table = sections.of_markdown("| a | b |\n|---|---:|\n| 1 | 2 |\n", "there")
    assert (table.head, table.rows, table.source) == (("a", "b"), (("1", "2"),), "there")


@pytest.mark.parametrize("marked", [3, 2])
def test_the_trust_says_how_often_a_worse_bridge_was_marked(marked: int):
    comparison = [
        {"trial": trial, **told_of("weighs_more", finding("rss_mib", [25.0] * 2, [25.0] * 2, [b] * 2))}
        for trial, b in ((1, 31.0), (2, 31.0), (3, 31.0 if marked == 3 else 25.0))
    ]
    text = " ".join(proofs.of_trust({}, proofs.of_comparison(comparison), []).paragraphs)
    assert f"weighs_more was marked worse in {marked} of 3 comparisons." in text
    assert "caught" not in text  # of mutants that nobody ran nothing is said


def test_what_broke_stands_before_what_did_not():
    rows = [("PASS", "a"), ("NOT MEASURED", "b"), ("kept", "c"), ("FAIL", "d"), ("missed", "e"), ("INCONCLUSIVE", "f")]

    assert "".join(name for _, name in sections.worst_first(rows)) == "debfac"


def test_the_head_of_a_column_of_figures_stands_above_them():
    table = Table(("figure", "now"), (("rss", "25.6 MiB"), ("cpu", "-")))

    assert '<th>figure</th><th class="number">now</th>' in page("t", [Section("s", tables=(table,))])


def test_a_report_of_nothing_fails_and_names_all_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--runs", str(tmp_path), "--out", str(tmp_path / "report")]) == 1
    assert capsys.readouterr().out.count("not measured") == len(gates())
    text = (tmp_path / "report" / "report.md").read_text()
    assert all(word in text for word in ("load.json", "growth.json", "micro.json", "compare.json", "mutants", "soak"))


def test_a_comparison_that_names_no_bridge_is_said_to_be_older_and_not_believed(tmp_path: Path):
    (tmp_path / "compare.json").write_text('[{"trial": 1, "b": 25.5, "figure": "rss_mib", "said": "worse"}]')

    assert main(["--runs", str(tmp_path), "--out", str(tmp_path / "report")]) == 1

    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "compare.json is older" in text
    assert "marked worse" not in text


def test_a_folder_that_is_none_is_an_error_and_no_report(tmp_path: Path):
    assert main(["--runs", str(tmp_path / "nowhere")]) == 4


def test_a_damaged_file_is_named_with_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "micro.json").write_text("{")
    assert main(["--runs", str(tmp_path), "--out", str(tmp_path / "report")]) == 4
    assert "cannot be read" in capsys.readouterr().err

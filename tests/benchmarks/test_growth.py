from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.growth import processes
from benchmarks.growth.fit import Growth, Point, exponent, table
from benchmarks.growth.processes import adapted, slope_of
from benchmarks.growth.rooms import FLAT, LINEAR, document, reading, table_of
from bridge.snapshot import parse


def curve(*ys: float, most: float = LINEAR, base: float = 0.0) -> Growth:
    points = tuple(Point(10.0**power, (y,)) for power, y in enumerate(ys))
    return Growth("cost", "fields", "us", points, most, base)


def test_what_grows_with_its_input_has_the_exponent_one():
    assert curve(2, 20, 200).exponent == pytest.approx(1.0)
    assert curve(2, 20, 200).verdict == "PASS"


def test_what_grows_faster_than_its_input_fails():
    assert curve(1, 100, 10_000).verdict == "FAIL"


def test_what_should_be_flat_and_grows_fails():
    assert curve(5, 5.1, 5, most=FLAT).verdict == "PASS"
    assert curve(5, 10, 20, most=FLAT).verdict == "FAIL"


def test_what_is_there_without_any_input_is_taken_off():
    assert curve(101, 110, 200, base=100).exponent == pytest.approx(1.0)


def test_two_figures_make_no_curve():
    assert exponent([(1, 1), (2, 2)]) is None
    assert exponent([(1, 1), (1, 2), (1, 3)]) is None
    assert curve(1, 2).verdict == "INCONCLUSIVE"


def test_a_point_stands_for_the_median_of_its_figures():
    assert Point(1, (1.0, 9.0, 2.0)).y == 2.0


def test_the_table_has_a_line_for_each_curve():
    assert "| cost | fields | 1 | 100 | 2 us | 200 us | 1.00 | 1.15 | PASS |" in table([curve(2, 20, 200)])


def test_memory_that_grows_with_each_tick_fails():
    parts = [{"ticks": 1000 * number, "kept_mib": 25 + 0.002 * number, "blocks": 9} for number in range(1, 101)]
    assert slope_of(parts)["slope_kib_per_1000_ticks"] == pytest.approx(2.048)
    assert slope_of(parts)["verdict"] == "FAIL"


def test_what_an_outage_adds_is_beyond_an_empty_queue_and_beyond_the_heaps_own_steps():
    told = {n: {"rss_empty_mib": 25.25, "rss_full_mib": 25.25 + n / 1000} for n in (60, 360, 2160)}
    assert processes.added_mib(told) == {360: pytest.approx(0.36), 2160: pytest.approx(2.16)}


def test_memory_that_is_reached_once_passes():
    parts = [{"ticks": 1000 * n, "kept_mib": 26.0 if n > 30 else 25.0, "blocks": 9} for n in range(1, 101)]
    assert (slope_of(parts)["verdict"], slope_of(parts)["ticks"]) == ("PASS", 67_000)


def test_an_object_that_is_kept_now_and_then_fails_before_rss_shows_it():
    def one_in(ticks: int) -> str:
        parts = [{"ticks": 1000 * n, "kept_mib": 25.0, "blocks": 113_000 + 1000 * n // ticks} for n in range(1, 101)]
        return str(slope_of(parts)["verdict"])

    assert (one_in(90), one_in(110)) == ("FAIL", "PASS")


def test_a_document_of_so_many_fields_makes_so_many_metrics():
    snapshot = parse(reading(document(300), 1), table_of(300))
    assert not snapshot.left_out
    assert len(snapshot.values) == 300


def test_an_adapted_scenario_has_its_own_interval_and_period_and_stays_a_scenario():
    one = adapted("write-100ms", interval=1.0, period=0.1, steady=15.0)
    assert (one.bridge.interval, one.job.write_period, one.timeline[0].steady) == (1.0, 0.1, 15.0)
    assert type(one).from_record(one.model_dump(mode="json")) == one


def test_a_curve_without_a_single_figure_has_its_line_too():
    assert "| cost | fields | - | - | - | - | - | 1.15 | INCONCLUSIVE |" in table([curve()])


def test_of_each_part_of_the_ticks_its_own_cpu_counts(monkeypatch: pytest.MonkeyPatch):
    parts = [
        {
            "ticks": 10 * number,
            "rss_mib": 25.0,
            "kept_mib": 24.5,
            "blocks": 113_000,
            "cpu_seconds": 0.02 * number + (0.01 if number > 50 else 0.0),
        }
        for number in range(1, 101)
    ]
    monkeypatch.setattr(processes, "ticks", lambda *_: [*parts, {"put": 1000, "delivered": 999}])
    (rss, blocks, cpu), slope = processes.by_ticks(None, 1000)
    assert [point.y for point in cpu.points[48:52]] == pytest.approx([2000.0, 2000.0, 3000.0, 2000.0])
    assert (rss.points[-1].x, rss.points[-1].y) == (1000, 25.0)
    assert {point.y for point in blocks.points} == {113_000}
    assert (slope["ticks"], slope["put"], slope["delivered"], slope["verdict"]) == (670, 1000, 999, "PASS")


@pytest.mark.parametrize("program", ["raise ValueError('no such file')", "raise SystemExit(1)"])
def test_ticks_that_break_are_told_with_what_they_said_and_are_no_figure(
    program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{program}"\n')
    python.chmod(0o755)
    monkeypatch.setattr(processes, "void", lambda: nullcontext("http://127.0.0.1:1"))
    with pytest.raises(processes.NotMeasuredError, match=r"ended with code 1: (ValueError: no such file|not all was)"):
        processes.ticks(SimpleNamespace(python=str(python), folder=tmp_path), 1000)

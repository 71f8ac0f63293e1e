"""When the bridge ends by itself."""

from __future__ import annotations

from pathlib import Path

from bridge.exit_rule import ExitRule


def test_it_never_ends_unless_asked_to():
    rule = ExitRule()
    rule.news(0.0)
    assert rule.why_end(1e9) is None


def test_it_ends_after_so_long_without_news_counted_from_the_first_reading_on():
    rule = ExitRule(idle_seconds_max=10.0)
    assert rule.why_end(1e9) is None
    rule.news(100.0)
    rule.news(105.0)
    assert rule.why_end(114.9) is None
    assert rule.why_end(115.0) == "no new reading for 10 s"


def test_it_ends_after_so_long_without_a_first_reading_counted_from_the_first_look_on():
    rule = ExitRule(without_file_seconds_max=30.0)
    assert rule.why_end(1000.0) is None
    assert rule.why_end(1029.9) is None
    assert rule.why_end(1030.0) == "no first reading for 30 s"


def test_after_the_first_reading_only_the_idle_time_counts_and_before_it_only_the_other():
    rule = ExitRule(idle_seconds_max=10.0, without_file_seconds_max=30.0)
    assert rule.why_end(0.0) is None
    assert rule.why_end(29.0) is None
    rule.news(29.0)
    assert rule.why_end(38.9) is None
    assert rule.why_end(39.0) == "no new reading for 10 s"
    rule = ExitRule(without_file_seconds_max=30.0)
    rule.news(0.0)
    assert rule.why_end(0.0) is None
    assert rule.why_end(1e9) is None


def test_it_ends_when_something_is_at_the_markers_path_be_it_a_link_to_nothing(tmp_path: Path):
    marker = tmp_path / "done"
    rule = ExitRule(marker=marker)
    assert rule.why_end(0.0) is None
    marker.symlink_to("nowhere")
    assert rule.why_end(0.0) == f"{marker} is there"


def test_a_marker_in_a_folder_that_is_none_is_not_there(tmp_path: Path):
    (tmp_path / "file").touch()
    assert ExitRule(marker=tmp_path / "file" / "done").why_end(0.0) is None

"""When gauges may be shown, and what people are told, on a clock that the test moves."""

from __future__ import annotations

import logging

import pytest

from bridge.errors import FileMissing, FileTooLarge, FileUnreadable, NotARegularFile, SnapshotError
from bridge.freshness import Freshness
from bridge.logs import Repeats

BROKEN = SnapshotError("no JSON: nonsense", 7)


class Bench:
    def __init__(self, interval_seconds: float = 10.0, stale_after_seconds: float = 1800.0) -> None:
        self.now = 1000.0
        self.freshness = Freshness(
            interval_seconds=interval_seconds,
            stale_after_seconds=stale_after_seconds,
            repeats=Repeats(lambda: self.now),
        )

    def live(self) -> bool:
        return self.freshness.live(self.now)

    def bad_for(self, seconds: float, error: Exception = BROKEN, every: float = 10.0) -> None:
        end = self.now + seconds
        while self.now <= end:
            self.freshness.bad(self.now, error)
            self.now += every
        self.now = end


@pytest.mark.parametrize("error", [BROKEN, FileMissing("not there"), FileUnreadable("no permission")])
def test_gauges_live_through_three_bad_intervals_and_no_longer(error: Exception):
    bench = Bench()
    bench.freshness.news(bench.now, 0.0)
    bench.bad_for(30.0, error)
    assert bench.live()
    bench.now += 0.1
    assert not bench.live()


def test_gauges_come_back_with_the_first_whole_file_also_without_news():
    bench = Bench()
    bench.freshness.news(bench.now, 0.0)
    bench.bad_for(60.0)
    assert not bench.live()
    bench.freshness.good(bench.now)
    assert bench.live()


def test_one_whole_file_in_between_starts_the_three_intervals_again():
    bench = Bench()
    bench.freshness.news(bench.now, 0.0)
    for _ in range(10):
        bench.bad_for(25.0)
        bench.freshness.good(bench.now)
        assert bench.live()


def test_gauges_of_a_file_that_no_longer_changes_end_after_the_time_for_that():
    bench = Bench(stale_after_seconds=60.0)
    bench.freshness.news(bench.now, 0.0)
    bench.now += 60.0
    bench.freshness.good(bench.now)
    assert bench.live()
    bench.now += 1.0
    assert not bench.live()
    bench.freshness.news(bench.now, 0.0)
    assert bench.live()


def test_a_first_reading_that_is_old_already_is_not_shown():
    bench = Bench(stale_after_seconds=60.0)
    bench.freshness.news(bench.now, 3600.0)
    assert not bench.live()


def test_a_broken_file_is_one_error_line_a_minute_with_reason_and_place(caplog: pytest.LogCaptureFixture):
    bench = Bench(interval_seconds=1.0)
    with caplog.at_level(logging.DEBUG):
        bench.bad_for(59.5, every=1.0)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "no JSON: nonsense at position 7" in caplog.text
        bench.bad_for(10.0, every=1.0)
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        assert "60 times" in caplog.records[1].getMessage()


def test_a_missing_file_is_debug(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    with caplog.at_level(logging.DEBUG):
        bench.bad_for(20.0, FileMissing("it is not there"))
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_a_file_that_was_never_there_for_three_intervals_is_told_once_and_so_is_its_coming(
    caplog: pytest.LogCaptureFixture,
):
    bench = Bench()
    with caplog.at_level(logging.INFO):
        bench.bad_for(30.0, FileMissing("/m.json is not there"))
        assert caplog.messages == []
        bench.bad_for(600.0, FileMissing("/m.json is not there"))
        (told,) = caplog.messages
        assert told.startswith("/m.json is not there; until it is, no metric of the job is sent")
        bench.freshness.news(bench.now, 0.0)
        assert len(caplog.records) == 2
        assert "whole again" in caplog.messages[1]
        bench.bad_for(600.0, FileMissing("/m.json is not there"))
    assert len(caplog.records) == 2, "what went away is said when its gauges end"


def test_the_end_and_the_return_are_said_once(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.freshness.news(bench.now, 0.0)
    with caplog.at_level(logging.INFO):
        bench.bad_for(100.0)
        for _ in range(3):
            bench.live()
        bench.freshness.good(bench.now)
        for _ in range(3):
            bench.live()
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == ["ERROR", "ERROR", "WARNING", "INFO", "INFO"]
    assert "gauges have ended: no whole metrics file for 100.0 s" in said[2][1]
    assert "whole again, after 11 bad looks" in said[3][1]


def test_nothing_is_said_of_gauges_that_were_never_shown(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    with caplog.at_level(logging.INFO):
        bench.bad_for(1000.0, FileMissing("not there"))
        bench.live()
    assert "gauges" not in caplog.text


def test_another_trouble_is_said_at_once_and_the_same_one_at_another_place_once_a_minute(
    caplog: pytest.LogCaptureFixture,
):
    bench = Bench(interval_seconds=1.0)
    for error in (
        BROKEN,
        SnapshotError("no JSON: other nonsense", 9),
        NotARegularFile("/x is a folder, not a regular file"),
        FileTooLarge("/x has 70000 bytes; the bound is 65536"),
        FileTooLarge("/x has 80000 bytes; the bound is 65536"),
    ):
        bench.freshness.bad(bench.now, error)
        bench.freshness.good(bench.now)
        bench.now += 1.0
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert ["position 7" in said[0], "a folder" in said[1], "70000 bytes" in said[2], len(said)] == [
        True,
        True,
        True,
        3,
    ]

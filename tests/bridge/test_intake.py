"""Each reading once, half-written ones again: told with files that are made of memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bridge.errors import BridgeError, FileChanging, FileMissing, FileUnreadable, MetricsFileError, SnapshotError
from bridge.intake import LAST_LOOK_AGAIN_SECONDS, LOOK_AGAIN_SECONDS, Intake
from bridge.metrics_file import Identity, MetricsFile, Reading
from bridge.snapshot import Snapshot, parse


def whole(loss: float, *, mtime_seconds: float = 100.0, inode: int = 1) -> Reading:
    data = json.dumps({"training_metrics": {"training_loss": loss}}).encode()
    return Reading(data, Identity(1, inode, int(mtime_seconds * 1e9)), 0.0, 130 * 10**9)


def half(mtime_seconds: float = 200.0) -> Reading:
    return Reading(b'{"training', Identity(1, 1, int(mtime_seconds * 1e9)), 0.0, 130 * 10**9)


MISSING = FileMissing("not there")


class Register(MetricsFile):
    """A metrics file whose looks are written down beforehand; the last one stays."""

    def __init__(self, looks: Iterable[Reading | MetricsFileError]) -> None:
        super().__init__(Path("current.json"), 1, monotonic=lambda: 0.0, time_ns=lambda: 0)
        self.looks = list(looks)
        self.count = 0

    def read(self) -> Reading:
        self.count += 1
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, MetricsFileError):
            raise look
        return look


class Bench:
    """An intake beside what it did."""

    def __init__(self, *looks: Reading | MetricsFileError) -> None:
        self.file = Register(looks)
        self.parsed: list[Reading] = []
        self.slept: list[float] = []
        self.intake = Intake(self.file, self._parse, self.slept.append)

    def _parse(self, reading: Reading) -> Snapshot:
        self.parsed.append(reading)
        return parse(reading)

    def losses(self, takes: int) -> Iterator[float | str | None]:
        for _ in range(takes):
            try:
                news = self.intake.take()
            except BridgeError as error:
                yield type(error).__name__
            else:
                yield None if news is None else news.snapshot.values["ml.training.loss"]


def test_the_same_reading_is_taken_and_parsed_once():
    bench = Bench(whole(0.5))
    assert list(bench.losses(4)) == [0.5, None, None, None]
    assert len(bench.parsed) == 1


def test_a_reading_with_the_same_bytes_of_another_file_is_news():
    bench = Bench(whole(0.5), whole(0.5, inode=2), whole(0.5, inode=2, mtime_seconds=101))
    assert list(bench.losses(3)) == [0.5, 0.5, 0.5]


def test_a_half_written_file_is_looked_at_again_at_once():
    bench = Bench(half(1), half(2), whole(0.5))
    assert list(bench.losses(1)) == [0.5]
    assert bench.slept == list(LOOK_AGAIN_SECONDS[:2])


def test_looking_again_stays_within_tens_of_milliseconds():
    assert sum(LOOK_AGAIN_SECONDS) <= 0.05


def test_a_file_that_stays_broken_is_an_error_after_all_looks_and_parsed_once():
    bench = Bench(half())
    assert list(bench.losses(1)) == ["SnapshotError"]
    assert bench.slept == list(LOOK_AGAIN_SECONDS)
    assert len(bench.parsed) == 1


def test_at_the_end_half_a_document_is_waited_for_longer_also_one_that_was_there_before():
    bench = Bench(*[half()] * 9, whole(0.5))
    assert list(bench.losses(1)) == ["SnapshotError"]
    bench.slept.clear()
    news = bench.intake.take(last=True)
    assert news is not None
    assert news.snapshot.values["ml.training.loss"] == 0.5
    assert bench.slept == list(LAST_LOOK_AGAIN_SECONDS)
    assert 0.1 < sum(LAST_LOOK_AGAIN_SECONDS) <= 0.2


def test_a_file_that_is_broken_as_it_was_is_not_waited_for_again():
    bench = Bench(half())
    assert list(bench.losses(5)) == ["SnapshotError"] * 5
    assert bench.slept == list(LOOK_AGAIN_SECONDS)
    assert len(bench.parsed) == 1


def test_each_error_of_a_file_that_stays_broken_is_new_so_that_no_traceback_grows():
    bench = Bench(half())
    errors = []
    for _ in range(3):
        with pytest.raises(SnapshotError) as raised:
            bench.intake.take()
        errors.append(raised.value)
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1


def test_a_file_that_is_broken_in_another_way_gets_its_second_look():
    bench = Bench(*[half()] * 4, half(300), whole(0.25))
    assert list(bench.losses(2)) == ["SnapshotError", 0.25]


def test_the_next_good_reading_after_a_broken_one_is_taken_at_once():
    bench = Bench(whole(0.5), *[half()] * 5, whole(0.25))
    assert list(bench.losses(4)) == [0.5, "SnapshotError", "SnapshotError", 0.25]


def test_an_old_reading_that_comes_back_after_a_broken_one_is_no_news():
    bench = Bench(whole(0.5), *[half()] * 4, whole(0.5))
    assert list(bench.losses(3)) == [0.5, "SnapshotError", None]
    assert len(bench.parsed) == 2


def test_a_file_that_is_not_there_for_a_moment_is_looked_for_again():
    bench = Bench(whole(0.5), MISSING, whole(0.25, inode=2))
    assert list(bench.losses(2)) == [0.5, 0.25]


def test_a_file_that_was_not_there_before_is_not_waited_for():
    bench = Bench(MISSING)
    assert list(bench.losses(3)) == ["FileMissing"] * 3
    assert bench.slept == list(LOOK_AGAIN_SECONDS)


def test_a_file_under_a_busy_writer_is_looked_at_again():
    bench = Bench(FileChanging("busy"), whole(0.5))
    assert list(bench.losses(1)) == [0.5]


def test_a_refusal_of_the_system_is_not_waited_for():
    bench = Bench(FileUnreadable("no permission"))
    assert list(bench.losses(2)) == ["FileUnreadable"] * 2
    assert bench.slept == []


@pytest.mark.parametrize(
    ("looks", "appeared"),
    [([whole(0.5)], False), ([MISSING, whole(0.5)], True), ([half(), whole(0.5)], False)],
    ids=["it was there", "it came", "it was there, half-written"],
)
def test_the_first_news_says_whether_the_file_came_while_we_looked(
    looks: list[Reading | MetricsFileError], appeared: bool
):
    bench = Bench(*looks, whole(0.25))
    news = list(itertools.islice(iter(bench.intake.take, None), 2))
    assert [found.appeared for found in news if found] == [appeared, False]


def test_the_age_of_the_first_reading_is_that_of_its_file_and_later_ones_are_fresh():
    bench = Bench(whole(0.5, mtime_seconds=100), whole(0.25, mtime_seconds=90))
    first, second = bench.intake.take(), bench.intake.take()
    assert first is not None
    assert second is not None
    assert (first.age_seconds, second.age_seconds) == (30.0, 0.0)


def test_a_file_from_the_future_is_not_younger_than_new():
    news = Bench(whole(0.5, mtime_seconds=1e6)).intake.take()
    assert news is not None
    assert news.age_seconds == 0

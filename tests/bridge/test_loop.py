"""Ticks on schedule, on a clock that the test moves; and nothing that a tick does ends the loop."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge.exit_rule import ExitRule
from bridge.freshness import Freshness
from bridge.instruments import Instruments, points_of
from bridge.intake import Intake
from bridge.logs import Repeats
from bridge.loop import Clock, Loop, next_due
from bridge.metrics_file import MetricsFile
from bridge.snapshot import LeftOut, parse

FIXTURE = Path(__file__).parents[1] / "fixtures" / "metrics_file" / "complete.json"
START = 50.0


class World:
    """A loop on a fake clock beside a real file; it is also what the loop waits on."""

    def __init__(
        self,
        path: Path,
        *,
        interval_seconds: float = 10.0,
        ends_after_seconds: float = 1e4,
        exit_rule: ExitRule | None = None,
    ) -> None:
        self.path = path
        self.now = START
        self.leap_seconds = 0.0  # of the wall clock
        self.ends_at = START + ends_after_seconds
        self.sent: list[bytes] = []
        self.ticked_at: list[float] = []
        self.before_tick: Callable[[], None] = lambda: None
        file = MetricsFile(path, 262_144, monotonic=lambda: self.now, time_ns=self.time_ns)
        repeats = Repeats(lambda: self.now)
        self.loop = Loop(
            interval_seconds=interval_seconds,
            intake=Intake(file, parse, lambda _: None),
            freshness=Freshness(interval_seconds=interval_seconds, stale_after_seconds=1e6, repeats=repeats),
            instruments=Instruments({"service.name": "job"}, self.time_ns()),
            hand_over=self.take,
            exit_rule=exit_rule or ExitRule(),
            clock=Clock(lambda: self.now, self.time_ns),
            repeats=repeats,
        )

    def time_ns(self) -> int:
        return int((1_800_000_000 + self.now + self.leap_seconds) * 1e9)

    def wait(self, seconds: float) -> bool:
        self.now = min(self.now + max(0.0, seconds), self.ends_at)
        self.before_tick()
        return self.now >= self.ends_at

    def take(self, encoded: bytes) -> None:
        self.sent.append(encoded)
        self.ticked_at.append(self.now - START)

    def write(self, **metrics: object) -> None:
        document = json.loads(FIXTURE.read_text())
        document["training_metrics"] |= metrics
        (self.path.parent / "tmp").write_text(json.dumps(document))
        os.utime(self.path.parent / "tmp", ns=(self.time_ns(), self.time_ns()))
        (self.path.parent / "tmp").replace(self.path)


def points(encoded: bytes, name: str) -> list[tuple[float | None, int]]:
    request = ExportMetricsServiceRequest.FromString(encoded)
    found = []
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        if metric.name == name:
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                held = point.count if hasattr(point, "count") else point.as_double
                found.append((None if point.flags else held, point.time_unix_nano))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "current.json"


def test_ticks_come_at_once_and_then_once_an_interval_and_once_more_at_the_end(path: Path):
    world = World(path, ends_after_seconds=35.0)
    world.write()
    world.loop.run(world)
    assert world.ticked_at == [0, 10, 20, 30, 35]


def test_fractions_of_a_second_do_not_drift(path: Path):
    world = World(path, interval_seconds=0.1, ends_after_seconds=100.05)
    world.write()

    def a_tick_takes_a_while() -> None:
        world.now += 0.013

    world.before_tick = a_tick_takes_a_while
    world.loop.run(world)
    assert len(world.ticked_at) == 1001 + 1
    assert world.ticked_at[1000] == pytest.approx(100.013, abs=1e-6)


@pytest.mark.parametrize(
    ("now", "expected"), [(100.0, 110.0), (109.9, 110.0), (110.0, 110.0), (110.1, 120.0), (155.0, 160.0), (90.0, 110.0)]
)
def test_the_next_tick_is_the_next_moment_of_the_schedule_that_is_not_over(now: float, expected: float):
    assert next_due(100.0, now, 10.0) == expected


def test_the_last_tick_sends_what_was_written_since(path: Path):
    world = World(path, ends_after_seconds=5.0)
    world.write(training_loss=0.5)

    def the_job_ends() -> None:
        if world.now > START:
            world.write(training_loss=0.125)

    world.before_tick = the_job_ends
    world.loop.run(world)
    assert [points(sent, "ml.training.loss")[0][0] for sent in world.sent] == [0.5, 0.125]


def test_points_go_on_in_time_and_keep_their_starts_where_the_wall_clock_is_set_back(path: Path):
    world = World(path, ends_after_seconds=65.0)
    world.write(batch_number=30, epoch=3)

    def the_clock_is_set_back() -> None:
        world.leap_seconds = -20.0 if world.now >= START + 20 else 0.0

    world.before_tick = the_clock_is_set_back
    began_unix_nano = world.time_ns()
    world.loop.run(world)
    seconds = [(points(sent, "ml.training.loss")[0][1] - began_unix_nano) / 1e9 for sent in world.sent]
    assert seconds == pytest.approx([0, 10, 15, 20, 25, 30, 40, 45], abs=0.01)
    requests = [ExportMetricsServiceRequest.FromString(sent) for sent in world.sent]
    metrics = [metric for request in requests for metric in request.resource_metrics[0].scope_metrics[0].metrics]
    spoken = [(metric.name, point) for metric in metrics for point in points_of(metric)]
    assert all(point.start_time_unix_nano <= point.time_unix_nano for _, point in spoken)
    assert len({(name, point.start_time_unix_nano) for name, point in spoken}) == 9


def test_an_unchanged_file_is_sent_each_tick_and_counted_once(path: Path):
    world = World(path, ends_after_seconds=45.0)
    world.write()
    world.loop.run(world)
    assert [points(sent, "ml.training.processing_time")[0][0] for sent in world.sent] == [1] * 6
    assert world.loop.reads == {"new": 1, "unchanged": 5}
    times = [points(sent, "ml.training.loss")[0][1] for sent in world.sent]
    assert [(time - times[0]) / 1e9 for time in times] == [0, 10, 20, 30, 40, 45]


def test_whatever_stands_in_the_files_place_the_loop_goes_on_and_ends_the_gauges_in_time(path: Path):
    world = World(path, ends_after_seconds=125.0)
    world.write()

    def break_it() -> None:
        second = world.now - START
        if second == 20:
            path.write_bytes(b"{")
        elif second == 30:
            path.unlink()
        elif second == 40:
            path.mkdir()
        elif second == 80:
            path.rmdir()
            world.write(training_loss=0.125)

    world.before_tick = break_it
    world.loop.run(world)
    losses = [[held for held, _ in points(sent, "ml.training.loss")] for sent in world.sent]
    whole, end = [0.342], [None]
    assert losses == [*[whole] * 6, end, [], *[[0.125]] * 6]
    assert world.loop.reads == {"new": 2, "unchanged": 6, "no-snapshot": 1, "missing": 1, "not-a-file": 4}


def test_gauges_do_not_end_because_the_bridge_is_stopped(path: Path):
    world = World(path, ends_after_seconds=45.0)
    world.write()

    def the_pod_is_taken_down() -> None:
        if world.now == START + 10:
            path.unlink()

    world.before_tick = the_pod_is_taken_down
    world.loop.run(world)
    assert world.ticked_at[-2:] == [40, 45], "30 s without the file, which is bearable, and 35 s, which is not"
    assert [points(sent, "ml.training.loss")[0][0] for sent in world.sent[-2:]] == [0.342, 0.342]


def test_an_error_that_nobody_foresaw_costs_one_tick_and_is_told_with_its_traceback_once(
    path: Path, caplog: pytest.LogCaptureFixture
):
    world = World(path, ends_after_seconds=35.0)
    world.write()

    def take(encoded: bytes) -> None:
        if len(world.ticked_at) in (1, 2):
            world.ticked_at.append(-1)
            raise ZeroDivisionError("nobody foresaw this")
        world.sent.append(encoded)
        world.ticked_at.append(world.now - START)

    world.loop._hand_over = take
    with caplog.at_level(logging.INFO):
        world.loop.run(world)
    assert world.ticked_at == [0, -1, -1, 30, 35]
    assert world.loop.broken_ticks == 2
    (record,) = caplog.records
    assert record.exc_info
    assert "next one comes as planned" in record.getMessage()


def test_a_field_that_is_left_out_is_counted_each_time_and_said_once(path: Path, caplog: pytest.LogCaptureFixture):
    world = World(path, ends_after_seconds=45.0)
    world.before_tick = lambda: world.write(accuracy="high", training_loss=world.now)
    with caplog.at_level(logging.INFO):
        world.loop.run(world)
    assert world.loop.left_out == {LeftOut("training_metrics.accuracy", "text"): 6}
    assert [record.getMessage() for record in caplog.records] == [
        "training_metrics.accuracy is left out: text; the other fields are carried"
    ]


def test_fields_that_are_not_there_are_named_in_one_line_which_stays_short(
    path: Path, caplog: pytest.LogCaptureFixture
):
    world = World(path, ends_after_seconds=25.0)
    path.write_text("{}")
    os.utime(path, ns=(world.time_ns(), world.time_ns()))
    with caplog.at_level(logging.INFO):
        world.loop.run(world)
    (message,) = caplog.messages
    assert message.startswith("not in the metrics file: training_metrics.training_loss, ")
    assert message.endswith("; the other fields are carried")
    assert "and 2 more" in message


def test_its_figures_say_when_it_ticked_what_came_and_what_is_the_matter(path: Path):
    world = World(path, ends_after_seconds=100.0)
    seen = []

    def job() -> None:
        seen.append(world.loop.stats())
        if world.now == START + 10:
            world.write(accuracy="high")
        elif world.now == START + 30:
            path.unlink()

    world.before_tick = job
    world.loop.run(world)
    assert [stats.ticked_at_seconds for stats in seen[:3]] == [None, START, START + 10]
    assert [stats.news_at_seconds for stats in seen[:4]] == [None, None, START + 10, START + 10]
    assert [bool(stats.trouble) for stats in seen[:6]] == [False, True, False, False, True, True]
    assert "is not there" in str(seen[4].trouble)
    assert seen[-1].reads == {"missing": 8, "new": 1, "unchanged": 1}
    assert seen[-1].left_out == {LeftOut("training_metrics.accuracy", "text"): 1}


def test_nothing_is_sent_before_the_first_reading(path: Path):
    world = World(path, ends_after_seconds=25.0)
    world.loop.run(world)
    assert world.sent == []
    assert world.loop.reads == {"missing": 4}


def test_a_file_that_was_idle_for_the_time_of_the_exit_rule_ends_the_loop_after_a_last_tick(path: Path):
    world = World(path, exit_rule=ExitRule(idle_seconds_max=30.0))

    def the_job_comes_late_and_ends() -> None:
        if world.now == START + 100:
            world.write()

    world.before_tick = the_job_comes_late_and_ends
    world.loop.run(world)
    assert world.ticked_at == [100, 110, 120, 130, 130]


def test_the_marker_of_the_exit_rule_ends_the_loop_after_a_last_tick(path: Path):
    world = World(path, exit_rule=ExitRule(marker=path.with_name("done")))

    def the_job_ends() -> None:
        world.write(training_loss=world.now)
        if world.now == START + 20:
            path.with_name("done").touch()

    world.before_tick = the_job_ends
    world.loop.run(world)
    assert world.ticked_at == [0, 10, 20, 20]


def test_a_marker_that_cannot_be_looked_for_ends_nothing(path: Path):
    assert ExitRule(marker=path / "\0").why_end(0.0) is None

"""A whole job on a clock that only waiting moves."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mock_ml_job import mock, train
from mock_ml_job.control import Control
from mock_ml_job.document import Document
from mock_ml_job.job import LOOK_SECONDS, Job
from mock_ml_job.ledger import Ledger
from mock_ml_job.metrics import Metrics
from mock_ml_job.schedule import Schedule
from mock_ml_job.writer import MetricsFile


class FakeTime:
    """Clock and stop in one: waiting moves the clock and carries out what was planned for that time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.requested = False
        self.waits: list[float] = []
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self._plans.append((1000.0 + seconds, action))

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waits.append(seconds)
        self.now += seconds
        for plan in [plan for plan in self._plans if plan[0] <= self.now]:
            self._plans.remove(plan)
            plan[1]()

    def stop(self) -> None:
        self.requested = True


class Bench:
    """A job in a folder, and what it left there."""

    def __init__(self, folder: Path, period_seconds: float = 1.0) -> None:
        self.time = FakeTime()
        self.metrics_path = folder / "current.json"
        self._control_path = folder / "control.json"
        self._ledger_path = folder / "ledger.jsonl"
        self.schedule = Schedule(self.time.now, period_seconds)
        self.ledger = Ledger(self._ledger_path)
        self.job = Job(
            document=Document(job_id="j", model_name="m", dataset="d", start_time="s"),
            file=MetricsFile(self.metrics_path, "rename"),
            ledger=self.ledger,
            control=Control(self._control_path),
            schedule=self.schedule,
            stop=self.time,
            clock=self.time.clock,
        )

    def order(self, **orders: object) -> None:
        temporary = self._control_path.with_suffix(".new")
        temporary.write_text(json.dumps(orders))
        temporary.replace(self._control_path)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._ledger_path.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def times(self, key: str = "t") -> list[float]:
        return [round(line[key] - 1000.0, 3) for line in self.lines("write")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    with bench.ledger:
        yield bench


def soon_after(seconds: float) -> object:
    """The orders are looked at so often; the tests' clock adds up rounding errors."""
    return pytest.approx(seconds + LOOK_SECONDS / 2, abs=LOOK_SECONDS / 2 + 0.001)


def some_states(count: int) -> Iterator[Metrics]:
    return map(mock.Curves(seed=0, batches_per_epoch=10).at, range(1, count + 1))


def run_mock(bench: Bench, count: int = 1000) -> None:
    mock.run(bench.job, some_states(count))


def run_train(bench: Bench, *, batches: int, pause_seconds: float) -> None:
    train.run(bench.job, some_states(batches), pause_seconds=pause_seconds)


def test_a_job_writes_at_its_start_and_every_period_and_ends_at_once_after_its_last_write(bench: Bench):
    run_mock(bench, 4)
    assert bench.times() == bench.times("due") == [0, 1, 2, 3]
    assert bench.time.now == 1003


def test_a_ledger_line_has_the_hash_and_the_values_of_the_file(bench: Bench):
    run_mock(bench, 3)
    document = bench.metrics_path.read_bytes()
    last = bench.lines("write")[-1]
    assert last["sequence"] == 3
    assert last["sha256"] == hashlib.sha256(document).hexdigest()
    assert last["values"] == json.loads(document)["training_metrics"]


def test_orders_are_looked_at_often_while_the_job_waits(bench: Bench):
    run_mock(bench, 3)
    assert max(bench.time.waits) <= LOOK_SECONDS == 0.05


def test_a_paused_job_does_not_write_and_misses_nothing(bench: Bench):
    bench.time.at(1.5, lambda: bench.order(paused=True))
    bench.time.at(4.2, lambda: bench.order(paused=False))
    run_mock(bench, 4)
    assert bench.times() == [0, 1, 5, 6]
    assert bench.schedule.missed == 0
    assert [line["applied"]["paused"] for line in bench.lines("control")] == [True, False]


def test_an_order_to_finish_brings_one_last_write_at_once(bench: Bench):
    bench.time.at(1.5, lambda: bench.order(finish=True))
    run_mock(bench)
    assert bench.times() == [0, 1, soon_after(1.5)]


def test_a_paused_job_can_be_told_to_finish(bench: Bench):
    bench.time.at(1.5, lambda: bench.order(paused=True))
    bench.time.at(3.5, lambda: bench.order(paused=True, finish=True))
    run_mock(bench)
    assert bench.times() == [0, 1, soon_after(3.5)]


def test_a_stop_ends_the_job_at_once_without_a_write(bench: Bench):
    bench.time.at(1.5, bench.time.stop)
    run_mock(bench)
    assert bench.times() == [0, 1]
    assert bench.time.now - 1000 == soon_after(1.5)


def test_while_writes_are_torn_half_a_document_is_visible_for_the_hold(bench: Bench):
    run_mock(bench, 1)
    halves: list[bytes] = []
    bench.order(torn_hold_seconds=0.5)
    bench.time.at(1.4, lambda: halves.append(bench.metrics_path.read_bytes()))
    run_mock(bench, 2)
    whole = bench.metrics_path.read_bytes()
    assert halves[0] not in {b"", whole}
    with pytest.raises(ValueError, match=r"line \d+ column"):
        json.loads(halves[0])
    json.loads(whole)


def test_a_torn_write_is_visible_only_after_its_second_half(bench: Bench):
    bench.order(torn_hold_seconds=0.5)
    run_mock(bench, 2)
    assert bench.times("due") == [0, 1]
    assert bench.times() == [0.5, 1.5]


def test_a_stop_during_a_torn_write_leaves_a_whole_document(bench: Bench):
    bench.order(torn_hold_seconds=30)
    bench.time.at(0.1, bench.time.stop)
    run_mock(bench)
    json.loads(bench.metrics_path.read_bytes())
    assert len(bench.times()) == 1


def test_holds_longer_than_the_period_make_missed_writes(bench: Bench):
    bench.order(torn_hold_seconds=2.5)
    run_mock(bench, 3)
    assert bench.times("due") == [0, 2, 5]
    assert bench.schedule.missed == 3


def test_the_end_line_has_the_numbers_of_writes_and_of_missed_ones(bench: Bench):
    run_mock(bench, 3)
    bench.job.end()
    assert bench.lines("end") == [{"kind": "end", "t": 1002.0, "writes": 3, "missed": 0}]


def test_a_training_writes_its_newest_state_once_a_period_and_always_its_last(bench: Bench):
    run_train(bench, batches=9, pause_seconds=0.3)
    written = [line["values"]["batch_number"] for line in bench.lines("write")]
    assert bench.times() == [0, 1.2, 2.1, 2.7]  # batches end at 0, 0.3, 0.6, ...
    assert bench.times("due") == [0, 1, 2, 2.7]
    assert written == [0, 4, 7, 8]


def test_a_training_whose_last_state_was_written_does_not_write_it_again(bench: Bench):
    run_train(bench, batches=8, pause_seconds=0.3)
    assert bench.times() == [0, 1.2, 2.1]


def test_a_training_that_is_told_to_finish_writes_one_new_state(bench: Bench):
    bench.time.at(0.7, lambda: bench.order(finish=True))
    run_train(bench, batches=1000, pause_seconds=0.3)
    losses = [line["values"]["training_loss"] for line in bench.lines("write")]
    assert bench.times() == [0, soon_after(0.7)]
    assert len(set(losses)) == 2


def test_a_training_that_ends_in_a_pause_writes_its_last_state_when_the_pause_is_over(bench: Bench):
    bench.time.at(0.1, lambda: bench.order(paused=True))
    bench.time.at(5, lambda: bench.order(paused=False))
    run_train(bench, batches=3, pause_seconds=0.3)
    assert bench.times() == [0, soon_after(5)]


def test_a_stop_ends_a_training_without_a_write(bench: Bench):
    bench.time.at(0.7, bench.time.stop)
    run_train(bench, batches=1000, pause_seconds=0.3)
    assert bench.times() == [0]


def test_a_period_of_0_writes_every_batch(tmp_path: Path):
    bench = Bench(tmp_path, period_seconds=0)
    with bench.ledger:
        run_train(bench, batches=5, pause_seconds=0.3)
    assert bench.times() == bench.times("due") == [0, 0.3, 0.6, 0.9, 1.2]


def test_each_backdated_file_looks_older_than_the_one_before_and_than_any_before_the_order(bench: Bench):
    seen: list[float] = []
    bench.order(backdated=True)
    for second in (0.5, 1.5, 2.5):
        bench.time.at(second, lambda: seen.append(bench.metrics_path.stat().st_mtime))
    run_mock(bench, 4)
    assert seen[0] > seen[1] > seen[2]
    assert seen[0] < time.time() - 3000


def test_one_field_after_the_other_is_spoiled_and_is_no_value_of_that_write(bench: Bench):
    bench.order(spoiled_fields=["accuracy", "epoch"], spoiled_by="true")
    run_mock(bench, 3)
    missing = [{"accuracy", "epoch"} - set(line["values"]) for line in bench.lines("write")]
    assert missing == [{"accuracy"}, {"epoch"}, {"accuracy"}]
    assert json.loads(bench.metrics_path.read_bytes())["training_metrics"]["accuracy"] is True


def test_slots_that_passed_while_a_paused_job_was_stopped_are_not_missed(bench: Bench):
    bench.order(paused=True)

    def stopped_and_continued() -> None:
        bench.time.now += 100
        bench.order(paused=False)

    bench.time.at(0.5, stopped_and_continued)
    run_mock(bench, 2)
    assert bench.schedule.missed == 0

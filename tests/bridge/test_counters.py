"""The rules of the counters, walked from the tables of docs/metrics.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import counters
from bridge.counters import STARTS_MAX, TOTAL_MAX, Counting
from bridge.mapping import DEFAULT
from bridge.snapshot import COUNT_MAX

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
BATCH, EPOCH = "ml.training.batch_number", "ml.training.epoch"


def rows_after(line: str) -> list[list[str]]:
    rows = []
    for found in DOCUMENT.split(f"\n{line}\n\n")[1].splitlines():
        if not found.startswith("|"):
            break
        rows.append([cell.strip() for cell in found.strip("|").split("|")])
    return rows[2:]


def values(text: str) -> dict[str, float]:
    epoch, batch = (part.strip() for part in text.split(","))
    return {name: int(said) for name, said in ((EPOCH, epoch), (BATCH, batch)) if said != "-"}


def added(counting: Counting, text: str, *, appeared: bool = False, started_at: int | None = 1) -> tuple[str, str]:
    steps = counting.steps(values(text), appeared=appeared, started_at=started_at)
    return tuple(str(steps[name].added) if name in steps else "-" for name in (BATCH, EPOCH))


FIRST = rows_after("The first reading that a bridge sees:")
LATER = rows_after("Each further reading adds:")


@pytest.mark.parametrize("row", FIRST, ids=lambda row: row[0])
def test_the_first_reading_makes_the_totals_of_the_table(row: list[str]):
    name, reading, batch, epoch, _ = row
    assert added(Counting(DEFAULT.metrics), reading, appeared="appeared" in name) == (batch, epoch)


@pytest.mark.parametrize("row", LATER, ids=lambda row: row[0])
def test_a_further_reading_adds_what_the_table_says(row: list[str]):
    _, before, now, batch, epoch, _ = row
    counting = Counting(DEFAULT.metrics)
    for reading in before.split(";"):
        added(counting, reading)
    start, _, reading = now.rpartition(";")
    assert added(counting, reading, started_at={"": 1, "-": None, "start": 2, "earlier": 0}[start]) == (batch, epoch)


def test_a_job_that_begins_again_is_counted_again_each_time():
    counting = Counting(DEFAULT.metrics)
    adds = [added(counting, "1, 10", started_at=start) for start in (None, 1, 1, None, 2, 2, None, 3)]
    again, not_again = ("10", "1"), ("0", "0")
    assert adds == [again, *[not_again] * 3, again, not_again, not_again, again]


def test_the_tables_have_all_their_rows():
    assert len(FIRST) == 6
    assert len(LATER) == 22


@pytest.mark.parametrize("batches_per_epoch", [3, 100])
@pytest.mark.parametrize("look_every", [1, 2, 7])
def test_a_job_that_restarts_its_batch_number_each_epoch_is_counted_to_the_batch_when_no_epoch_end_is_missed(
    batches_per_epoch: int, look_every: int
):
    counting = Counting(DEFAULT.metrics)
    total = true_total = 0
    for epoch in range(1, 30):
        for batch in range(1, batches_per_epoch + 1):
            true_total += 1
            if batch % look_every and batch != batches_per_epoch:
                continue
            total += counting.steps({EPOCH: epoch, BATCH: batch}, appeared=False)[BATCH].added
            assert total <= true_total
    # The epoch's number and the batch's rise together only where an epoch has a single look.
    assert total == true_total or look_every > batches_per_epoch


def test_a_step_number_that_runs_on_through_all_epochs_is_counted_once():
    counting = Counting(DEFAULT.metrics)
    total = sum(
        counting.steps({EPOCH: 1 + step // 50, BATCH: step}, appeared=True)[BATCH].added for step in range(1, 1000, 7)
    )
    assert total == range(1, 1000, 7)[-1]


def test_only_a_first_reading_in_the_first_epoch_is_taken_whole():
    for epoch, batches in ((0, "30"), (1, "30"), (2, "0")):
        assert added(Counting(DEFAULT.metrics), f"{epoch}, 30") == (batches, str(epoch))


def test_a_fall_back_to_the_first_epoch_is_a_new_beginning_and_one_to_the_second_is_not():
    for epoch, adds in ((1, ("10", "1")), (2, ("0", "0"))):
        counting = Counting(DEFAULT.metrics)
        added(counting, "5, 30")
        assert added(counting, f"{epoch}, 10") == adds


def test_a_step_number_that_stands_still_while_the_epoch_rises_is_not_counted_again():
    counting = Counting(DEFAULT.metrics)
    assert [added(counting, reading)[0] for reading in ("1, 50", "2, 50", "3, 60")] == ["50", "0", "10"]


def test_two_processes_of_a_job_that_write_by_turns_are_each_counted_on_from_where_they_were():
    counting = Counting(DEFAULT.metrics)
    total = {EPOCH: 0, BATCH: 0}
    for turn in range(1, 20):
        for start, batch in ((1, 50 + turn), (2, turn)):
            values = {EPOCH: 1, BATCH: batch}
            for name, step in counting.steps(values, appeared=False, started_at=start).items():
                total[name] += step.added
    assert total == {BATCH: 50 + 19 + 19, EPOCH: 2}


class Processes:
    """Processes of one job that each did so many batches of so many an epoch, and the totals that were made of them."""

    def __init__(self, batches_per_epoch: int, *, runs_on: bool) -> None:
        self._batches_per_epoch = batches_per_epoch
        self._runs_on = runs_on
        self._counting = Counting(DEFAULT.metrics)
        self.done: dict[int, int] = {}
        self.totals = {EPOCH: 0, BATCH: 0}

    def writes(self, start: int, batches: int) -> None:
        self.done[start] = done = self.done.get(start, 0) + batches
        batch = done if self._runs_on else (done - 1) % self._batches_per_epoch + 1
        reading = {EPOCH: self._epoch(done), BATCH: batch}
        for name, step in self._counting.steps(reading, appeared=False, started_at=start).items():
            self.totals[name] += step.added

    def _epoch(self, done: int) -> int:
        return (done - 1) // self._batches_per_epoch + 1

    @property
    def truth(self) -> dict[str, int]:
        return {EPOCH: sum(self._epoch(done) for done in self.done.values()), BATCH: sum(self.done.values())}


@pytest.mark.parametrize("count", [2, 6, STARTS_MAX + 1])
def test_all_processes_that_write_one_file_by_turns_are_counted_to_the_batch(count: int):
    processes = Processes(100, runs_on=False)
    for _ in range(100):
        for start in range(count):
            processes.writes(start, 1)
    assert processes.totals == processes.truth == {EPOCH: count, BATCH: 100 * count}


def test_a_process_that_is_first_seen_after_a_later_one_lacks_what_it_had_done_by_then_and_no_more():
    processes = Processes(100, runs_on=False)
    for _ in range(10):
        for start in (6, 5, 4, 3, 2, 1):
            processes.writes(start, 10)
    assert processes.totals == {EPOCH: 1, BATCH: 600 - 5 * 10}


def test_more_processes_than_are_remembered_make_no_total_that_is_too_high():
    processes = Processes(100, runs_on=False)
    for _ in range(10):
        for start in range(STARTS_MAX + 2):
            processes.writes(start, 10)
    assert processes.totals == {EPOCH: STARTS_MAX + 2, BATCH: (STARTS_MAX + 2) * 10}, "what was first seen of each"


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 12))), st.integers(1, 30), st.booleans())
def test_totals_of_any_processes_in_any_turn_are_a_lower_bound(
    turns: list[tuple[int, int]], batches_per_epoch: int, runs_on: bool
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counters, "STARTS_MAX", 2)
        processes = Processes(batches_per_epoch, runs_on=runs_on)
        for start, batches in turns:
            processes.writes(start, batches)
            assert all(total <= processes.truth[name] for name, total in processes.totals.items())


def test_a_slower_process_of_a_job_whose_number_runs_on_is_not_taken_for_one_that_starts_over_each_epoch():
    counting = Counting(DEFAULT.metrics)
    adds = [added(counting, reading, started_at=start)[0] for start, reading in ((1, "2, 100"), (2, "3, 90"))]
    assert [*adds, added(counting, "4, 120", started_at=2)[0]] == ["0", "90", "30"], "120 batches in all"


def test_a_field_that_a_process_did_not_write_at_first_is_counted_on_from_its_first_number():
    counting = Counting(DEFAULT.metrics)
    adds = [added(counting, reading, started_at=start) for start, reading in ((2, "1, 30"), (1, "1, -"), (1, "1, 40"))]
    assert adds == [("30", "1"), ("-", "0"), ("0", "0")]
    assert added(counting, "1, 45", started_at=1) == ("5", "0")


def test_of_many_starts_only_the_last_are_remembered():
    counting = Counting(DEFAULT.metrics)
    for start in range(1, 100):
        counting.steps({EPOCH: 1, BATCH: 1}, appeared=False, started_at=start)
    assert len(counting._other_starts) == STARTS_MAX


@given(st.lists(st.tuples(st.integers(0, COUNT_MAX), st.integers(0, COUNT_MAX)), max_size=50), st.booleans())
def test_whatever_the_job_writes_a_total_never_falls_and_never_leaves_the_integers_of_otlp(
    readings: list[tuple[int, int]], appeared: bool
):
    counting = Counting(DEFAULT.metrics)
    totals = {EPOCH: 0, BATCH: 0}
    for epoch, batch in readings:
        for name, step in counting.steps({EPOCH: epoch, BATCH: batch}, appeared=appeared).items():
            assert step.added >= 0
            totals[name] += step.added
    assert all(total <= TOTAL_MAX for total in totals.values())


def test_a_total_stops_where_the_integers_of_otlp_stop():
    counting = Counting(DEFAULT.metrics)
    total = 0
    for turn in range(3000):
        # A job that goes mad: begins again with the largest number there is, every second reading.
        total += counting.steps({EPOCH: 1 if turn % 2 else 5, BATCH: COUNT_MAX}, appeared=True)[BATCH].added
    assert total == TOTAL_MAX == 2**63 - 1  # the largest int64

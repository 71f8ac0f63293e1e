"""The rules of the counters, walked from the tables of docs/metrics.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert added(counting, reading, started_at={"": 1, "-": None, "start": 2}[start]) == (batch, epoch)


def test_a_job_that_begins_again_is_counted_again_each_time():
    counting = Counting(DEFAULT.metrics)
    adds = [added(counting, "1, 10", started_at=start) for start in (None, 1, 1, None, 2, 2, None, 3)]
    again, not_again = ("10", "1"), ("0", "0")
    assert adds == [again, *[not_again] * 3, again, not_again, not_again, again]


def test_the_tables_have_all_their_rows():
    assert len(FIRST) == 6
    assert len(LATER) == 21


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

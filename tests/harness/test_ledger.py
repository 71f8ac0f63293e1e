from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness import ledger
from harness.ledger import LedgerError
from harness.record import JobProcess, Ledger, RecordError, Write

SHA256 = "ab" * 32
START = {"kind": "start", "t": 100.0, "pid": 7, "job": "mock", "period_seconds": 0.5, "write_mode": "rename"}


def write(sequence: int, t: float, **changes: object) -> dict[str, Any]:
    values = {"epoch": 1, "training_loss": 2.3}
    return {
        "kind": "write", "sequence": sequence, "t": t, "due": t - 0.1, "sha256": SHA256, "values": values, **changes
    }  # fmt: skip


def control(t: float, *, paused: bool, torn_hold_seconds: float = 0.0, finish: bool = False) -> dict[str, Any]:
    applied = {"paused": paused, "torn_hold_seconds": torn_hold_seconds, "finish": finish}
    return {"kind": "control", "t": t, "applied": applied}


def end(t: float, *, writes: int, missed: int = 0) -> dict[str, Any]:
    return {"kind": "end", "t": t, "writes": writes, "missed": missed}


def text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def read(path: Path, *lines: dict[str, Any], origin: float = 100.0) -> Ledger:
    path.write_text(text(*lines))
    return ledger.read(path, origin=origin)


def test_a_whole_ledger_is_read_with_its_times_counted_from_the_origin(path: Path):
    assert read(path, START, write(1, 101.0), write(2, 102.0), end(103.0, writes=2, missed=5)) == Ledger(
        writes=(
            Write(1, 1.0, pytest.approx(0.9), SHA256, {"epoch": 1, "training_loss": 2.3}),
            Write(2, 2.0, pytest.approx(1.9), SHA256, {"epoch": 1, "training_loss": 2.3}),
        ),
        period_seconds=0.5,
        ended=3.0,
        missed=5,
        processes=(JobProcess(1, 7, "", 0.0, 3.0),),
    )


def test_whole_numbers_stay_whole_and_fractions_keep_every_digit(path: Path):
    (made,) = read(path, START, write(1, 101.0, values={"epoch": 1, "training_loss": 2.30000000001})).writes
    assert made.values == {"epoch": 1, "training_loss": 2.30000000001}
    assert isinstance(made.values["epoch"], int)


def test_no_ledger_and_an_empty_one_are_a_job_that_never_started(path: Path):
    assert ledger.read(path) == Ledger()
    path.write_text("")
    assert ledger.read(path) == Ledger()


def test_a_last_line_that_was_cut_anywhere_is_left_out(path: Path):
    whole = text(START, write(1, 101.0))
    last = text(write(2, 102.0))
    for cut in range(len(last) - 1):
        path.write_text(whole + last[:cut])
        assert len(ledger.read(path).writes) == 1, f"cut after {cut} characters"


def test_a_last_line_that_lacks_only_its_newline_counts(path: Path):
    path.write_text(text(START, write(1, 101.0)).removesuffix("\n"))
    assert len(ledger.read(path).writes) == 1


def test_a_job_that_was_killed_has_no_end(path: Path):
    made = read(path, START, write(1, 101.0))
    assert made.ended is None
    assert made.missed == 0


def test_pauses_are_the_spans_between_orders(path: Path):
    made = read(
        path,
        START,
        control(101.0, paused=True),
        control(102.0, paused=True, torn_hold_seconds=0.2),
        control(103.0, paused=False, torn_hold_seconds=0.2),
        control(104.0, paused=True),
        control(105.0, paused=False, finish=True),
    )
    assert made.pauses == ((1.0, 3.0), (4.0, 5.0))


def test_a_pause_that_was_never_ended_lasts_until_the_jobs_end(path: Path):
    assert read(path, START, control(101.0, paused=True), end(109.0, writes=0)).pauses == ((1.0, 9.0),)


def test_a_pause_of_a_job_that_was_killed_in_it_lasts_for_ever(path: Path):
    assert read(path, START, control(101.0, paused=True)).pauses == ((1.0, math.inf),)


@pytest.mark.parametrize(
    ("lines", "number", "reason"),
    [
        ([write(1, 101.0)], 1, "must be of kind start"),
        ([START, START], 2, "no other, must be of kind start"),
        ([START, write(2, 101.0)], 2, "sequence 2 where 1 must follow"),
        ([START, write(1, 101.0), write(1, 102.0)], 3, "sequence 1 where 2 must follow"),
        ([START, write(1, 101.0), write(2, 100.5)], 3, "earlier"),
        ([START, end(101.0, writes=0), write(1, 102.0)], 3, "after the job's end"),
        ([START, write(1, 101.0), end(102.0, writes=2)], 3, "says 2 writes, the ledger has 1"),
        ([START, {"kind": "lunch", "t": 101.0}], 2, "lunch"),
        ([START, write(1, 101.0, sha256="abc")], 2, "sha256"),
        ([START, {**write(1, 101.0), "sequence": "1"}], 2, "sequence"),
        ([START, write(1, 101.0, values={"training_loss": "2.3"})], 2, "training_loss"),
        ([START, write(1, 101.0, values={"training_loss": True})], 2, "training_loss"),
        ([START, write(1, math.nan)], 2, "t"),
        ([START, write(1, 101.0, mood="good")], 2, "mood"),
        ([{**START, "period_seconds": -1}], 1, "period_seconds"),
    ],
)
def test_a_line_that_cannot_be_is_an_error_with_its_number(
    path: Path, lines: list[dict[str, Any]], number: int, reason: str
):
    with pytest.raises(LedgerError, match=rf"ledger\.jsonl:{number}: .*{reason}") as caught:
        read(path, *lines)
    assert caught.value.line == number


@pytest.mark.parametrize("damage", ["", "\n", "not JSON\n", '{"kind": "write", "seq\n', "[]\n", "\x00\n"])
def test_damage_before_the_last_line_is_an_error(path: Path, damage: str):
    path.write_text(text(START) + damage + text(write(1, 101.0)))
    if damage:
        with pytest.raises(LedgerError, match=":2:"):
            ledger.read(path)
    else:
        assert len(ledger.read(path).writes) == 1


def test_a_whole_last_line_that_is_damaged_is_an_error(path: Path):
    path.write_text(text(START) + '{"kind": "wri\n')
    with pytest.raises(LedgerError, match=":2:"):
        ledger.read(path)


def test_a_ledger_that_cannot_be_read_is_an_error_of_the_record(path: Path):
    path.mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        ledger.read(path)


def test_the_writes_of_several_processes_are_one_register_in_the_order_in_which_they_became_visible(tmp_path: Path):
    first = text(
        {**START, "job_id": "a", "model_name": "m", "dataset": "d"},
        write(1, 101.0),
        write(2, 104.0),
        end(105.0, writes=2, missed=1),
    )
    second = text({**START, "t": 102.0, "pid": 8, "job_id": "b"}, write(1, 103.0), end(106.0, writes=1, missed=2))
    (tmp_path / "ledger.jsonl").write_text(first)
    (tmp_path / "ledger-2.jsonl").write_text(second)
    made = ledger.merged([ledger.read(path, origin=100.0) for path in ledger.paths(tmp_path)])
    assert [(one.sequence, one.t, one.job_id, one.process) for one in made.writes] == [
        (1, 1.0, "a", 1),
        (2, 3.0, "b", 2),
        (3, 4.0, "a", 1),
    ]
    assert (made.missed, made.ended) == (3, 5.0)
    assert [(p.number, p.pid, p.job_id, p.ended, p.model_name, p.dataset) for p in made.processes] == [
        (1, 7, "a", 5.0, "m", "d"),
        (2, 8, "b", 6.0, "", ""),
    ]


def test_the_end_that_counts_is_that_of_the_process_that_wrote_last(tmp_path: Path):
    (tmp_path / "ledger.jsonl").write_text(text(START, write(1, 101.0)))
    (tmp_path / "ledger-2.jsonl").write_text(text({**START, "t": 102.0}, write(1, 103.0), end(104.0, writes=1)))
    assert ledger.merged([ledger.read(path) for path in ledger.paths(tmp_path)]).ended == 104.0


def test_ledgers_are_taken_in_the_order_of_their_numbers_and_one_that_is_lost_is_named(tmp_path: Path):
    (tmp_path / "ledger-10.jsonl").touch()
    found = [path.name for path in ledger.paths(tmp_path, also=["ledger.jsonl", "wire.jsonl", "ledger-2.jsonl"])]
    assert found == ["ledger.jsonl", "ledger-2.jsonl", "ledger-10.jsonl"]

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from mock_ml_job.control import Control, Orders, OrdersError, parse


def give(path: Path, text: str) -> None:
    temporary = path.with_name("new")
    temporary.write_text(text)
    temporary.replace(path)


def test_without_a_file_nothing_is_ordered(tmp_path: Path):
    assert Control(None).look() == Orders()
    assert Control(tmp_path / "control.json").look() == Orders()


def test_orders_hold_until_they_are_replaced_or_taken_away(tmp_path: Path):
    path = tmp_path / "control.json"
    control = Control(path)
    give(path, '{"paused": true, "torn_hold_seconds": 0, "finish": false}')
    assert control.look() == control.look() == Orders(paused=True)
    give(path, '{"paused": false, "torn_hold_seconds": 0.25, "finish": true}')
    assert control.look() == Orders(torn_hold_seconds=0.25, finish=True)
    path.unlink()
    assert control.look() == Orders()


def test_orders_that_were_replaced_within_one_tick_of_the_files_clock_are_seen(tmp_path: Path):
    path = tmp_path / "control.json"
    control = Control(path)
    give(path, '{"paused": true}')
    before = path.stat()
    control.look()
    give(path, '{"finish": true}')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert control.look() == Orders(finish=True)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path):
    path = tmp_path / "control.json"
    give(path, '{"paused": true}')
    complaints = io.StringIO()
    control = Control(path, complaints)
    control.look()
    status = path.stat()
    path.write_text('{"paused": tru?}')  # the same file, size and time
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert control.look() == Orders(paused=True)
    assert not complaints.getvalue()


def test_senseless_orders_are_refused_once_and_those_before_go_on_holding(tmp_path: Path):
    path = tmp_path / "control.json"
    complaints = io.StringIO()
    control = Control(path, complaints)
    give(path, '{"paused": true}')
    control.look()
    give(path, '{"pause": false}')
    assert control.look() == control.look() == Orders(paused=True)
    assert complaints.getvalue().count("\n") == 1
    assert "finish, paused, spoiled_by, spoiled_fields, torn_hold_seconds" in complaints.getvalue()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[]", "must be an object"),
        ('{"stop": true}', "no other keys"),
        ('{"paused": 1}', "paused must be true or false"),
        ('{"finish": null}', "finish must be true or false"),
        ('{"torn_hold_seconds": true}', "number of seconds"),
        ('{"torn_hold_seconds": -1}', "number of seconds"),
        ('{"torn_hold_seconds": Infinity}', "number of seconds"),
        ('{"backdated": 1}', "backdated must be true or false"),
        ('{"spoiled_fields": "epoch"}', "a list of fields"),
        ('{"spoiled_fields": ["epochs"]}', "a list of fields of the file: timestamp, job_id"),
        ('{"spoiled_by": null}', "spoiled_by must be a text"),
    ],
)
def test_wrong_orders_are_named(text: str, reason: str):
    with pytest.raises(OrdersError, match=reason):
        parse(text.encode())

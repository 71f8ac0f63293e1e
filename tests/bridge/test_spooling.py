"""The sender with a spool: when the disk is touched, and that a disk which hangs or refuses delays nothing else."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from bridge.delivery import Bounds, Delivery
from bridge.errors import SpoolError, TransportError
from bridge.outbox import SHUTDOWN, Request
from bridge.packing import unpack
from bridge.sender import Sender
from bridge.spool import Spool
from bridge.spool_folder import SpoolFolder
from bridge.spooling import PATIENCE_SECONDS_MAX, Spooling
from bridge.transports import Answer, Patience
from harness.waiting import wait_until

BOUND_BYTES = 1 << 20


class FakeTransport:
    """Refuses until `works` is set; `silent`: it never answers."""

    def __init__(self) -> None:
        self.works = self.silent = False
        self.calls = 0
        self.messages: list[bytes] = []

    def call(self, message: bytes, patience: Patience) -> Answer:
        self.calls += 1
        while self.silent and time.monotonic() < patience.deadline():
            time.sleep(0.01)
        if not self.works:
            raise TransportError("refused", may_have_arrived=False)
        self.messages.append(message)
        return Answer(0)

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        import select  # noqa: PLC0415 - here alone

        select.select([wakeup_fileno], [], [], seconds)

    def close(self) -> None:
        pass


class Rig:
    def __init__(self, path: Path, spool: Spool | None = None) -> None:
        self.path = path
        self.transport = FakeTransport()
        self.spool = spool or Spool(SpoolFolder(path), BOUND_BYTES)
        log = logging.getLogger("bridge.spool")
        self.spooling = Spooling(self.spool, time.monotonic, log)
        self.sender = Sender(
            Delivery(Bounds(reconnect_seconds=0.02), Random(1)),  # noqa: S311 - jitter
            self.transport,
            time.monotonic,
            log,
            spooling=self.spooling,
        )

    def begin(self) -> Rig:
        self.sender.start()
        return self

    def put(self, first: int, last: int) -> Rig:
        for number in range(first, last + 1):
            self.sender.put(b"<%d>" % number)
        return self

    def on_disk(self, count: int) -> None:
        wait_until(lambda: self.spool.stats().count == count, within=5, what=f"{count} requests on disk")

    def arrived(self) -> str:
        return b"".join(self.transport.messages).decode()


Begin = Callable[..., Rig]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    rigs: list[Rig] = []

    def one(spool: Spool | None = None, *, works: bool = False, silent: bool = False) -> Rig:
        rig = Rig(tmp_path / "spool", spool)
        rig.transport.works, rig.transport.silent = works, silent
        rigs.append(rig)
        return rig.begin()

    yield one
    for rig in rigs:
        rig.sender.stop(0)


def names(rig: Rig) -> list[str]:
    return sorted(os.listdir(rig.path))  # noqa: PTH208 - names are enough


def test_while_all_goes_well_nothing_is_written(begin: Begin):
    rig = begin(works=True)
    for number in range(1, 50):
        rig.put(number, number)
        wait_until(lambda: rig.sender.stats().queue_count == 0, within=5, what="delivered")
    assert names(rig) == ["lock"]
    assert rig.spool.stats().written == 0


def test_after_the_first_failed_call_all_that_waits_and_all_that_comes_is_on_disk_at_once(begin: Begin):
    rig = begin().put(1, 5)
    rig.on_disk(5)
    began = time.monotonic()
    rig.put(6, 6)
    rig.on_disk(6)
    assert time.monotonic() - began < 0.5


def test_a_put_in_an_outage_returns_when_it_is_on_disk(begin: Begin):
    rig = begin().put(1, 1)
    rig.on_disk(1)
    for number in range(2, 200):
        rig.put(number, number)
        assert rig.spool.written_through == number


def test_a_call_without_an_answer_counts_as_failed_after_a_second(begin: Begin):
    rig = begin(silent=True).put(1, 1)
    wait_until(lambda: rig.transport.calls == 1, within=5, what="the call")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 1.0, within=5, what="a second")
    assert rig.spool.stats().count == 0
    rig.put(2, 2)
    rig.on_disk(2)


def test_what_was_delivered_is_removed(begin: Begin):
    rig = begin().put(1, 100)
    rig.on_disk(100)
    rig.transport.works = True
    rig.on_disk(0)
    wait_until(lambda: names(rig) == ["lock"], within=5, what="an empty folder")
    assert rig.arrived() == "".join(f"<{number}>" for number in range(1, 101))


def test_what_the_budget_did_not_suffice_for_is_spooled_and_goes_first_at_the_next_start(begin: Begin):
    rig = begin().put(1, 20)
    stats = rig.sender.stop(0.1)
    assert (stats.spooled, stats.lost, stats.delivered, stats.queue_count) == (20, 0, 0, 0)
    second = begin(works=True).put(21, 23)
    wait_until(lambda: second.sender.stats().delivered == 23, within=5, what="all delivered")
    assert second.arrived() == "".join(f"<{number}>" for number in range(1, 24))
    assert (second.sender.stats().put, second.sender.stats().restored) == (23, 20)


def test_a_stop_without_a_budget_spools_what_waits(begin: Begin):
    stats = begin().put(1, 3).sender.stop(0)
    assert (stats.spooled, stats.lost) == (3, 0)


def test_a_stop_with_the_collector_up_leaves_nothing_on_disk(begin: Begin):
    rig = begin(works=True).put(1, 50)
    assert rig.sender.stop(5).delivered == 50
    assert names(rig) == ["lock"]


def test_a_folder_that_cannot_be_used_costs_a_line_and_nothing_else(
    begin: Begin, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "spool").write_text("a file")
    rig = begin().put(1, 5)
    wait_until(lambda: rig.transport.calls >= 3, within=5, what="calls go on")
    rig.transport.works = True
    wait_until(lambda: rig.sender.stats().delivered == 5, within=5, what="delivered")
    assert [record.levelname for record in caplog.records if "the spool folder cannot be used" in record.message] == [
        "WARNING"
    ]
    assert rig.spooling.failures >= 1
    stats = rig.sender.stop(0)
    assert stats.lost == 0


def test_what_is_neither_delivered_nor_on_disk_is_lost(begin: Begin, tmp_path: Path):
    (tmp_path / "spool").write_text("a file")
    stats = begin().put(1, 5).sender.stop(0.1)
    assert (stats.spooled, stats.dropped[SHUTDOWN]) == (0, 5)


def test_a_folder_that_comes_free_is_taken(begin: Begin, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    first = begin().put(1, 3)
    first.on_disk(3)
    second = begin().put(4, 5)
    wait_until(lambda: second.spooling.failures >= 1, within=5, what="it is in use")
    first.sender.stop(0)
    second.on_disk(5)
    second.transport.works = True
    wait_until(lambda: second.sender.stats().delivered == 5, within=5, what="all delivered")
    assert any("is in use by another bridge; give each" in record.message for record in caplog.records)
    assert any("the spool folder works again" in record.message for record in caplog.records)


class Hanging(Spool):
    """Each operation waits for `released`."""

    released: threading.Event

    def open(self) -> Sequence[Request]:
        self.released.wait(30)
        return super().open()

    def write(self, requests: Sequence[Request]) -> None:
        self.released.wait(30)
        super().write(requests)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    spool = Hanging(SpoolFolder(tmp_path / "spool"), BOUND_BYTES)
    spool.released = threading.Event()
    yield spool
    spool.released.set()


def test_a_disk_that_hangs_at_the_start_delays_delivery_by_a_second_and_puts_not_at_all(begin: Begin, hanging: Hanging):
    rig = begin(hanging, works=True)
    began = time.monotonic()
    rig.put(1, 100)
    assert time.monotonic() - began < 0.2
    wait_until(lambda: rig.sender.stats().delivered == 100, within=5, what="delivered")
    assert 0.9 < time.monotonic() - began < 2


def test_a_disk_that_hangs_in_an_outage_delays_neither_puts_nor_calls_nor_the_end(begin: Begin, hanging: Hanging):
    hanging.released.set()
    rig = begin(hanging)
    wait_until(lambda: hanging.is_open, within=5, what="it is open")
    hanging.released.clear()
    rig.put(1, 10)
    calls = rig.transport.calls
    wait_until(lambda: rig.transport.calls > calls + 10, within=5, what="calls go on")
    began = time.monotonic()
    rig.put(11, 100)
    assert time.monotonic() - began < 2 * PATIENCE_SECONDS_MAX
    began = time.monotonic()
    assert rig.sender.stop(0.2).dropped[SHUTDOWN] == 100
    assert time.monotonic() - began < 1.0


def left_behind(path: Path) -> list[bytes]:
    spool = Spool(SpoolFolder(path), BOUND_BYTES)
    try:
        return [unpack(request) for request in spool.open()]
    finally:
        spool.close()


def test_a_disk_that_answers_after_the_end_keeps_what_was_said_to_be_spooled(begin: Begin, hanging: Hanging):
    hanging.released.set()
    rig = begin(hanging).put(1, 50)
    rig.on_disk(50)
    hanging.released.clear()
    rig.put(51, 51)
    stats = rig.sender.stop(0.2)
    assert (stats.spooled, stats.dropped[SHUTDOWN]) == (50, 1)
    hanging.released.set()
    rig.spooling._thread.join(5)
    assert not rig.spooling._thread.is_alive()
    assert left_behind(rig.path) == [b"<%d>" % number for number in range(1, 52)]


def test_what_an_earlier_run_left_stays_on_a_disk_that_is_read_only_after_the_end(begin: Begin, hanging: Hanging):
    begin().put(1, 20).sender.stop(0)
    rig = begin(hanging, works=True).put(21, 23)
    wait_until(lambda: rig.sender.stats().delivered == 3, within=5, what="what is new is delivered")
    assert rig.sender.stop(0.2).delivered == 3
    hanging.released.set()
    rig.spooling._thread.join(5)
    assert not rig.spooling._thread.is_alive()
    assert left_behind(rig.path) == [b"<%d>" % number for number in range(1, 21)]


def test_a_disk_that_hung_is_waited_for_again_when_it_has_caught_up(begin: Begin, hanging: Hanging):
    hanging.released.set()
    rig = begin(hanging).put(1, 1)
    rig.on_disk(1)
    hanging.released.clear()
    rig.put(2, 50)
    assert rig.spool.written_through == 1
    hanging.released.set()
    rig.on_disk(50)
    wait_until(lambda: rig.put(51, 51).spool.written_through >= rig.sender.stats().put, within=5, what="in step again")
    for number in range(rig.sender.stats().put + 1, 100):
        rig.put(number, number)
        assert rig.spool.written_through == rig.sender.stats().put


def test_a_put_does_not_wait_for_a_disk_that_refuses_nor_for_a_spool_that_has_ended(begin: Begin):
    rig = begin(Full(SpoolFolder(Path("/nowhere")), BOUND_BYTES)).put(1, 1)
    wait_until(lambda: rig.spooling.failures > 0, within=5, what="it refused")
    began = time.monotonic()
    rig.put(2, 250)
    rig.sender.stop(0)
    rig.put(251, 500)
    assert time.monotonic() - began < PATIENCE_SECONDS_MAX


class Broken(Spool):
    def write(self, requests: Sequence[Request]) -> None:
        raise KeyError(len(requests))


def test_an_error_that_nobody_foresaw_in_the_spool_costs_the_spool_alone(
    begin: Begin, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    rig = begin(Broken(SpoolFolder(tmp_path / "spool"), BOUND_BYTES)).put(1, 5)
    wait_until(lambda: rig.spooling.failures == 1, within=5, what="it broke")
    rig.transport.works = True
    wait_until(lambda: rig.sender.stats().delivered == 5, within=5, what="delivered")
    assert any(record.exc_info and "unexpected error" in record.message for record in caplog.records)


class Full(Spool):
    """Refuses until told otherwise."""

    refuses = True

    def write(self, requests: Sequence[Request]) -> None:
        if self.refuses:
            raise SpoolError("cannot be written to: No space left on device")
        super().write(requests)


def test_a_disk_that_was_full_is_tried_again_and_then_holds_all_that_waits(begin: Begin, tmp_path: Path):
    spool = Full(SpoolFolder(tmp_path / "spool"), BOUND_BYTES)
    rig = begin(spool).put(1, 5)
    wait_until(lambda: rig.spooling.failures == 1, within=5, what="it is full")
    spool.refuses = False
    rig.put(6, 7)
    rig.on_disk(7)


def emptied(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


def replaced(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.mkdir()


@pytest.mark.parametrize("harm", [emptied, replaced])
def test_what_somebody_removes_from_the_folder_is_written_again_and_said(
    begin: Begin, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    rig = begin().put(1, 20)
    rig.on_disk(20)
    harm(rig.path)
    rig.put(21, 21)
    wait_until(lambda: rig.put(22, 22).spooling.failures == 1, within=5, what="it was seen")
    assert any("emptied or replaced by somebody else" in record.message for record in caplog.records)
    wait_until(lambda: rig.spool.stats().count == rig.sender.stats().queue_count, within=5, what="written again")
    waited = rig.sender.stats().queue_count
    assert rig.sender.stop(0).spooled == waited
    second = begin(works=True)
    wait_until(lambda: second.sender.stats().delivered == waited, within=5, what="all delivered")
    assert second.arrived().startswith("".join(f"<{number}>" for number in range(1, 23)))


@pytest.mark.parametrize("harm", [emptied, replaced])
def test_the_last_figures_are_those_of_what_is_there_when_the_folder_was_emptied_before_the_end(
    begin: Begin, harm: Callable[[Path], None]
):
    rig = begin().put(1, 20)
    rig.on_disk(20)
    harm(rig.path)
    stats = rig.sender.stop(0)
    assert (stats.spooled, stats.lost) == (20, 0)
    second = begin(works=True)
    wait_until(lambda: second.sender.stats().delivered == 20, within=5, what="all delivered")


def test_what_cannot_be_written_again_is_counted_as_lost(begin: Begin):
    rig = begin().put(1, 20)
    rig.on_disk(20)
    emptied(rig.path)
    rig.path.rmdir()
    rig.path.write_text("a file")
    stats = rig.sender.stop(0)
    assert (stats.spooled, stats.lost) == (0, 20)

"""The spool on a real disk: what is found again, what damage costs, and what it keeps its hands off."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import signal
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from bridge import spool_records
from bridge.errors import SpoolError
from bridge.outbox import Request
from bridge.packing import Packing, unpack
from bridge.spool import Spool
from bridge.spool_folder import SpoolFolder

BOUND_BYTES = 1 << 20


def encoded(number: int) -> bytes:
    return b"request %06d " % number + bytes(range(256)) * 4 + b"%d" % (number * 7919)


def requests(first: int, last: int) -> list[Request]:
    packing = Packing()
    return [packing.pack(number, encoded(number)) for number in range(first, last + 1)]


def similar() -> list[Request]:
    """As ticks are: each is compressed against one dictionary."""
    packing = Packing()
    chance = Random(1)  # noqa: S311 - repeatable on purpose
    shared = chance.randbytes(2000)
    return [packing.pack(number, shared + chance.randbytes(200)) for number in range(1, 1001)]


SIMILAR = similar()


def begin(path: Path, bound_bytes: int = BOUND_BYTES) -> Spool:
    spool = Spool(SpoolFolder(path), bound_bytes)
    spool.open()
    return spool


def found(path: Path) -> tuple[list[bytes], Spool]:
    spool = Spool(SpoolFolder(path), BOUND_BYTES)
    left = [unpack(request) for request in spool.open()]
    spool.close()
    return left, spool


def die(spool: Spool) -> None:
    """End as a killed process does: descriptors close, nothing else happens."""
    for descriptor in (spool._active, spool._mark, spool._folder._lock, spool._folder._folder):  # type: ignore[attr-defined]  # the real folder's
        if descriptor >= 0:
            os.close(descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.segment"))


# What is found again


def test_a_file_of_the_highest_name_is_left_alone_and_costs_nothing(path: Path):
    path.mkdir()
    (path / "999999999999.segment").touch()
    spool = begin(path)
    spool.write(requests(1, 5))
    die(spool)
    left, _ = found(path)
    assert left == [encoded(number) for number in range(1, 6)]
    assert (path / "999999999999.segment").exists()


def test_a_damaged_dictionary_costs_nothing_where_a_copy_is_left(path: Path):
    spool = Spool(SpoolFolder(path), 16 << 20)
    spool.open()
    for first in range(1, 1001, 10):
        spool.write(SIMILAR[first - 1 : first + 9])
    die(spool)
    (segment,) = segments(path)
    data = bytearray(segment.read_bytes())
    first = next(found.start() for found in re.finditer(rb"\xf5SPL....\x01", bytes(data), re.DOTALL))
    data[first + spool_records.HEAD_BYTES + 5] ^= 1
    segment.write_bytes(data)
    left, after = found(path)
    assert after.stats().damaged == 1
    assert len(left) == 1000


def test_what_was_written_is_found_byte_for_byte_and_in_order_after_a_kill(path: Path):
    spool = begin(path)
    spool.write(requests(1, 50))
    die(spool)
    left, after = found(path)
    assert left == [encoded(number) for number in range(1, 51)]
    assert (after.stats().found, after.stats().damaged, after.stats().torn) == (50, 0, 0)


def test_what_is_found_has_numbers_up_to_0_and_new_ones_go_on_after_it(path: Path):
    spool = begin(path)
    spool.write(requests(1, 3))
    die(spool)
    again = Spool(SpoolFolder(path), BOUND_BYTES)
    assert [request.number for request in again.open()] == [-2, -1, 0]
    again.write(requests(1, 2))
    die(again)
    assert found(path)[0] == [encoded(number) for number in (1, 2, 3, 1, 2)]


def test_what_is_gone_is_not_found_again(path: Path):
    spool = begin(path)
    spool.write(requests(1, 10))
    spool.acknowledge(4)
    die(spool)
    assert found(path)[0] == [encoded(number) for number in range(5, 11)]


def test_when_all_is_gone_nothing_is_left_but_the_lock(path: Path):
    spool = begin(path)
    spool.write(requests(1, 10))
    spool.acknowledge(4)
    spool.acknowledge(10)
    assert os.listdir(path) == ["lock"]  # noqa: PTH208 - names are enough
    spool.close()


def test_what_earlier_runs_left_behind_goes_with_what_came_since(path: Path):
    for _ in range(3):
        spool = begin(path)
        spool.write(requests(1, 2))
        die(spool)
    spool = begin(path)
    spool.acknowledge(-3)
    die(spool)
    assert found(path)[0] == [encoded(number) for number in (2, 1, 2)]


def test_a_mark_that_was_left_without_segments_is_removed(path: Path):
    spool = begin(path)
    spool.write(requests(1, 3))
    spool.acknowledge(1)
    die(spool)
    segments(path)[0].unlink()
    spool = begin(path)
    assert os.listdir(path) == ["lock"]  # noqa: PTH208 - names are enough
    spool.close()


# Damage


@pytest.mark.parametrize("cut_bytes", [1, 10, 29, 60])
def test_a_torn_tail_costs_the_request_that_it_tore(path: Path, cut_bytes: int):
    spool = begin(path)
    spool.write(requests(1, 10))
    die(spool)
    (segment,) = segments(path)
    os.truncate(segment, segment.stat().st_size - cut_bytes)
    left, after = found(path)
    assert left[:8] == [encoded(number) for number in range(1, 9)]
    assert len(left) < 10
    assert after.stats().torn == 1 or len(left) == 8


def test_each_flipped_byte_costs_a_record_and_never_more_than_those_that_need_it(path: Path):
    spool = begin(path)
    spool.write(requests(1, 6))
    die(spool)
    (segment,) = segments(path)
    whole = segment.read_bytes()
    true = {encoded(number) for number in range(1, 7)}
    lost_most = 0
    for position in (*range(40), *range(40, len(whole), 9)):
        data = bytearray(whole)
        data[position] ^= 0x55
        scanned = spool_records.scan(bytes(data))
        assert scanned.damaged or scanned.torn
        assert {unpack(request) for request in scanned.requests} <= true
        lost_most = max(lost_most, 6 - len(scanned.requests))
    assert lost_most == 5, "the dictionary's own record: the first request, which made it, needs none"


@pytest.mark.parametrize("junk", [b"", b"\0" * 5000, b"\xf5SPL" * 100, os.urandom(3000), b"\xf5SPL" + b"\xff" * 40])
def test_a_file_full_of_something_else_is_passed_over(path: Path, junk: bytes):
    spool = begin(path)
    spool.write(requests(1, 3))
    die(spool)
    (path / "000000000000.segment").write_bytes(junk)
    assert found(path)[0] == [encoded(number) for number in (1, 2, 3)]


def test_where_the_mark_is_corrupted_all_comes_again(path: Path):
    spool = begin(path)
    spool.write(requests(1, 10))
    spool.acknowledge(4)
    die(spool)
    (path / "acknowledged").write_bytes(b"x" * 12)
    left, after = found(path)
    assert (len(left), after.stats().damaged) == (10, 1)


# Bounds


def test_the_folder_never_holds_more_than_its_bound_and_the_oldest_make_room(path: Path):
    spool = begin(path, 65_536)
    for first in range(1, 2001, 10):
        spool.write(requests(first, first + 9))
        assert sum(segment.stat().st_size for segment in segments(path)) <= 65_536
        assert len(segments(path)) <= 20
    stats = spool.stats()
    die(spool)
    left = found(path)[0]
    assert left[-1] == encoded(2000)
    assert left == [encoded(number) for number in range(2001 - len(left), 2001)]
    assert stats.evicted == 2000 - len(left)
    assert stats.count == len(left)


def test_a_request_larger_than_half_of_the_bound_is_left_out(path: Path):
    spool = begin(path, 65_536)
    spool.write([Request(1, os.urandom(40_000), 40_000), Request(2, b"small", 5)])
    assert spool.kept() == {2}
    assert spool.stats().evicted == 1
    spool.close()


# The disk refuses


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """As on a full disk, a write past 10 000 bytes of a file goes in half, and then fails.

    The limit is this whole process': pytest's own output may be such a file, so it holds for one write only.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_goes_in_half_keeps_its_whole_records_and_raises(path: Path):
    spool = begin(path)
    with pytest.raises(SpoolError, match="cannot be written to: File too large"), small_files():
        spool.write([Request(number, os.urandom(900), 900) for number in range(1, 30)])
    assert spool.written_through == 10
    assert spool.kept() == set(range(1, 11))
    die(spool)
    left, after = found_raw(path)
    assert left == 10
    assert (after.stats().damaged, after.stats().torn) == (0, 0), "the half record was cut off"


def found_raw(path: Path) -> tuple[int, Spool]:
    spool = Spool(SpoolFolder(path), BOUND_BYTES)
    count = len(spool.open())
    spool.close()
    return count, spool


def test_a_second_bridge_does_not_get_the_folder_until_the_first_has_ended(path: Path):
    spool = begin(path)
    with pytest.raises(SpoolError, match="in use by another bridge"):
        Spool(SpoolFolder(path), BOUND_BYTES).open()
    die(spool)
    found(path)


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path):
    with pytest.raises(SpoolError, match=r"cannot be made: make .*/no first, or set BRIDGE_SPOOL_DIR"):
        Spool(SpoolFolder(tmp_path / "no" / "such"), BOUND_BYTES).open()
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="cannot be used: Not a directory"):
        Spool(SpoolFolder(tmp_path / "file"), BOUND_BYTES).open()


# Hands off


def test_files_are_for_nobody_else(path: Path):
    spool = begin(path)
    spool.write(requests(1, 10))
    spool.acknowledge(3)
    assert {(file.name, oct(file.stat().st_mode & 0o777)) for file in path.iterdir()} == {
        ("lock", "0o600"),
        ("acknowledged", "0o600"),
        ("000000000001.segment", "0o600"),
    }
    assert path.stat().st_mode & 0o777 == 0o700
    spool.close()


def test_symbolic_links_are_not_followed(path: Path, tmp_path: Path):
    path.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (path / "acknowledged").symlink_to(victim)
    (path / "000000000001.segment").symlink_to(victim)
    spool = begin(path)
    assert spool.stats().damaged == 2
    spool.write(requests(1, 3))
    with pytest.raises(SpoolError, match="acknowledged cannot be made"):
        spool.acknowledge(1)
    spool.close()
    assert victim.read_bytes() == b"precious"


def test_a_linked_lock_is_refused(path: Path, tmp_path: Path):
    path.mkdir()
    (path / "lock").symlink_to(tmp_path / "made by nobody")
    with pytest.raises(SpoolError, match="cannot be used"):
        Spool(SpoolFolder(path), BOUND_BYTES).open()
    assert not (tmp_path / "made by nobody").exists()


@pytest.mark.parametrize("kind", [os.mkfifo, Path.mkdir, Path.touch])
def test_a_folder_that_cannot_be_locked_costs_no_descriptor_however_often_it_is_tried(
    path: Path, kind: Callable[[Path], None]
):
    path.mkdir()
    kind(path / "lock")
    holder = os.open(path / "lock", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.flock(holder, fcntl.LOCK_EX)
    spool = Spool(SpoolFolder(path), BOUND_BYTES)
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(SpoolError):
            spool.open()
    assert open_descriptors() == before
    os.close(holder)


def open_descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")  # noqa: PTH208 - names are enough


def test_a_fifo_or_a_folder_in_a_segments_place_is_left_alone(path: Path):
    path.mkdir()
    os.mkfifo(path / "000000000001.segment")
    (path / "000000000002.segment").mkdir()
    (path / "notes.txt").write_text("mine")
    spool = begin(path)
    spool.write(requests(1, 3))
    spool.acknowledge(3)
    spool.close()
    assert sorted(file.name for file in path.iterdir()) == [
        "000000000001.segment",
        "000000000002.segment",
        "lock",
        "notes.txt",
    ]


def test_what_is_kept_can_be_asked_for_while_the_spools_thread_adds_a_segment(tmp_path: Path):
    spool = begin(tmp_path / "spool")
    spool.write(requests(1, 5))

    class Growing(array):  # type: ignore[type-arg]  # CPython 3.11 has no array[int]
        def __iter__(self) -> Iterator[int]:
            spool._begin_segment()
            return super().__iter__()

    spool._segments[0].numbers = Growing("q", spool._segments[0].numbers)
    assert spool.kept() == {1, 2, 3, 4, 5}
    spool.close()

"""The one room that touches the file: every thing that can stand in its place, and readings that belong together."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import metrics_file
from bridge.errors import (
    FileChanging,
    FileMissing,
    FileTooLarge,
    FileUnreadable,
    MetricsFileError,
    NotARegularFile,
)
from bridge.metrics_file import MetricsFile

LARGEST = 262_144


def file_at(path: Path, size_max_bytes: int = LARGEST) -> MetricsFile:
    return MetricsFile(path, size_max_bytes, monotonic=lambda: 12.5, time_ns=lambda: 77)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def a_folder(path: Path) -> None:
    path.mkdir()


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_file_of_1_gb(path: Path) -> None:
    path.touch()
    os.truncate(path, 1_000_000_000)


def nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("put", "error", "says"),
    [
        (nothing, FileMissing, "not there"),
        (a_link_to_nothing, FileMissing, "not there"),
        (a_folder, NotARegularFile, "a folder"),
        (a_fifo, NotARegularFile, "a FIFO"),
        (a_socket, NotARegularFile, "a socket"),
        (a_device, NotARegularFile, "a character device"),
        (a_link_to_itself, FileUnreadable, "symbolic links"),
        (a_file_of_1_gb, FileTooLarge, "1000000000 bytes"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else value,
)
def test_what_is_no_metrics_file_is_a_named_error_at_once(
    tmp_path: Path, put: Callable[[Path], None], error: type[MetricsFileError], says: str
):
    put(tmp_path / "current.json")
    before, begin = open_descriptors(), time.monotonic()
    with pytest.raises(error, match=says) as found:
        file_at(tmp_path / "current.json").read()
    assert str(tmp_path / "current.json") in str(found.value)
    assert time.monotonic() - begin < 0.5
    assert open_descriptors() == before


def test_a_missing_folder_is_a_missing_file(tmp_path: Path):
    with pytest.raises(FileMissing):
        file_at(tmp_path / "nowhere" / "current.json").read()


def test_a_file_where_a_folder_should_be_is_a_missing_file(tmp_path: Path):
    (tmp_path / "shared").touch()
    with pytest.raises(FileMissing):
        file_at(tmp_path / "shared" / "current.json").read()


def test_a_fifo_keeps_its_writer_waiting(tmp_path: Path):
    """Opening a FIFO for reading, even for a moment, would let the one who writes to it run into a broken pipe."""
    path = tmp_path / "current.json"
    os.mkfifo(path)
    with pytest.raises(NotARegularFile):
        file_at(path).read()
    with pytest.raises(OSError, match="No such device"):  # ENXIO: nobody has it open for reading
        os.open(path, os.O_WRONLY | os.O_NONBLOCK)


def test_a_file_that_is_swapped_for_a_fifo_after_it_was_looked_at_does_not_block(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_text("{}")

    class Swapping(MetricsFile):
        def _check(self, status: os.stat_result) -> None:
            super()._check(status)
            path.unlink()
            os.mkfifo(path)

    with pytest.raises(NotARegularFile):
        Swapping(path, LARGEST, monotonic=lambda: 0.0, time_ns=lambda: 0).read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable_and_readable_again_when_it_may(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"{}")
    path.chmod(0)
    with pytest.raises(FileUnreadable, match="Permission denied"):
        file_at(path).read()
    path.chmod(0o600)
    assert file_at(path).read().data == b"{}"


def test_a_refusal_of_the_system_is_an_unreadable_file_with_the_systems_reason(tmp_path: Path):
    with pytest.raises(FileUnreadable, match="File name too long"):
        file_at(tmp_path / ("x" * 300)).read()


def test_a_path_that_no_system_takes_is_unreadable():
    with pytest.raises(FileUnreadable):
        file_at(Path("a\0b")).read()


def test_a_reading_has_all_bytes_and_when_and_of_what(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"x" * 200_000)
    status = path.stat()
    reading = file_at(path).read()
    assert reading.data == b"x" * 200_000
    assert (reading.identity.device, reading.identity.inode) == (status.st_dev, status.st_ino)
    assert reading.identity.mtime_ns == status.st_mtime_ns
    assert (reading.monotonic_seconds, reading.time_unix_nano) == (12.5, 77)


def test_the_largest_size_is_read_and_one_byte_more_is_not(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"x" * 100)
    assert len(file_at(path, 100).read().data) == 100
    path.write_bytes(b"x" * 101)
    with pytest.raises(FileTooLarge, match="101"):
        file_at(path, 100).read()


def test_a_file_that_grows_past_the_bound_while_it_is_read_is_too_large():
    """Files under /proc say that they have 0 bytes: the bound holds for what is read, not for what was promised."""
    with pytest.raises(FileTooLarge):
        file_at(Path("/proc/self/status"), 100).read()


def test_a_symbolic_link_is_followed_and_its_swap_is_another_file(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "current.json").write_text(name)
    (tmp_path / "now").symlink_to("one")
    file = file_at(tmp_path / "now" / "current.json")
    first = file.read()
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "now")
    second = file.read()
    assert (first.data, second.data) == (b"one", b"two")
    assert first.identity.inode != second.identity.inode


def test_a_file_renamed_over_is_another_reading_also_with_the_same_bytes(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"{}")
    first = file_at(path).read()
    assert file_at(path).read().same_as(first)
    (tmp_path / "current.tmp").write_bytes(b"{}")
    (tmp_path / "current.tmp").replace(path)
    assert not file_at(path).read().same_as(first)


def test_other_bytes_are_another_reading_also_where_the_systems_clock_did_not_move(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"1")
    first = file_at(path).read()
    path.write_bytes(b"2")
    os.utime(path, ns=(first.identity.mtime_ns, first.identity.mtime_ns))
    second = file_at(path).read()
    assert second.identity == first.identity
    assert not second.same_as(first)


def test_a_time_of_change_that_goes_backwards_is_another_reading(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"1")
    first = file_at(path).read()
    os.utime(path, ns=(0, -5_000_000_000))
    assert not file_at(path).read().same_as(first)


def test_bytes_and_identity_belong_together_when_a_writer_comes_between(tmp_path: Path):
    """Old bytes under the new time of change would be counted twice: once as themselves, once as a new reading."""
    path = tmp_path / "current.json"
    path.write_bytes(b"old")
    os.utime(path, ns=(0, 0))

    class WrittenToOnce(MetricsFile):
        times = 0

        def _read_all(self, descriptor: int) -> bytes:
            data = super()._read_all(descriptor)
            if not self.times:
                self.times += 1
                path.write_bytes(b"new")
            return data

    reading = WrittenToOnce(path, LARGEST, monotonic=lambda: 0.0, time_ns=lambda: 0).read()
    assert reading.data == b"new"
    assert reading.identity.mtime_ns == path.stat().st_mtime_ns


def test_a_writer_that_never_rests_is_named_after_a_few_looks(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"0")
    looks: list[int] = []

    class AlwaysWrittenTo(MetricsFile):
        def _read_all(self, descriptor: int) -> bytes:
            data = super()._read_all(descriptor)
            looks.append(1)
            os.utime(path, ns=(0, len(looks)))
            return data

    with pytest.raises(FileChanging):
        AlwaysWrittenTo(path, LARGEST, monotonic=lambda: 0.0, time_ns=lambda: 0).read()
    assert len(looks) == metrics_file.LOOKS_MAX


def test_a_thousand_writes_a_second_renamed_over_are_always_read_whole(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"0" * 700)
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(0.001):
            number += 1
            (tmp_path / "current.tmp").write_bytes(b"%d" % (number % 10) * 700)
            (tmp_path / "current.tmp").replace(path)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        file = file_at(path)
        for _ in range(300):
            data = file.read().data
            assert len(data) == 700
            assert len(set(data)) == 1
    finally:
        ended.set()
        writer.join()


def test_nothing_is_held_open_and_nothing_is_written(tmp_path: Path):
    path = tmp_path / "current.json"
    path.write_bytes(b"{}")
    before, folder = open_descriptors(), tmp_path.stat().st_mtime_ns
    for _ in range(100):
        file_at(path).read()
    assert open_descriptors() == before
    assert tmp_path.stat().st_mtime_ns == folder

from __future__ import annotations

from pathlib import Path

import pytest

from mock_ml_job.writer import WRITE_MODES, MetricsFile, WriteMode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "current.json"


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_write_leaves_the_newest_document_and_nothing_else(path: Path, mode: WriteMode):
    file = MetricsFile(path, mode)
    file.write(b"a long first document")
    file.write(b"a short one")
    assert path.read_bytes() == b"a short one"
    target = {path.resolve().name} if mode == "symlink" else set()
    assert {entry.name for entry in path.parent.iterdir()} == {"current.json"} | target


def test_renaming_over_gives_a_new_file_each_time_by_way_of_current_tmp(path: Path):
    file = MetricsFile(path, "rename")
    file.write(b"first")
    with path.open("rb") as held_open:
        (path.parent / "current.tmp").write_bytes(b"left by a job that was killed")
        file.write(b"second")
        assert held_open.read() == b"first"
    assert path.read_bytes() == b"second"
    assert not (path.parent / "current.tmp").exists()


def test_writing_in_place_keeps_the_file(path: Path):
    file = MetricsFile(path, "in-place")
    file.write(b"first")
    inode = path.stat().st_ino
    file.write(b"second")
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_torn_write_shows_the_first_half_meanwhile_in_either_mode(path: Path, mode: WriteMode):
    file = MetricsFile(path, mode)
    file.write(b"before")
    inode = path.stat().st_ino
    seen: list[bytes] = []
    file.write_torn(b"0123456789", between=lambda: seen.append(path.read_bytes()))
    assert seen == [b"01234"]
    assert path.read_bytes() == b"0123456789"
    assert path.stat().st_ino == inode


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, mode: WriteMode):
    with pytest.raises(FileNotFoundError):
        MetricsFile(tmp_path / "missing" / "current.json", mode).write(b"document")


def test_a_link_leads_to_another_file_after_each_write(path: Path):
    file = MetricsFile(path, "symlink")
    file.write(b"first")
    first = path.resolve()
    file.write(b"second")
    assert path.is_symlink()
    assert path.resolve() != first
    assert not first.exists()


@pytest.mark.parametrize("mode", WRITE_MODES)
def test_a_file_has_the_time_of_change_that_it_is_given(path: Path, mode: WriteMode):
    MetricsFile(path, mode).write(b"old", mtime_ns=10**18)
    assert path.stat().st_mtime_ns == 10**18

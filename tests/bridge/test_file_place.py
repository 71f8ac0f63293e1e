"""Whatever stands in the file's place: docs/metrics-file.md says what happens, and what comes after it is taken."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bridge.test_loop import FIXTURE, START, World, points

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "metrics-file.md").read_text(encoding="utf-8")
NOBODY = 65534


def documented() -> dict[str, str]:
    part = DOCUMENT.split("\n## What stands in the file's place\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:2] == "| "]
    return {row[0]: row[1] for row in rows[1:]}


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything: so be nobody for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def path() -> Iterator[Path]:
    """A file's place that anybody may look at."""
    folder = Path(tempfile.mkdtemp(prefix="file-place-"))
    (folder / "shared").mkdir(mode=0o755)
    folder.chmod(0o755)
    yield folder / "shared" / "current.json"
    (folder / "shared").chmod(0o755)
    shutil.rmtree(folder)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def a_link_to_a_file(path: Path) -> None:
    shutil.copy(FIXTURE, path.with_name("real.json"))
    path.symlink_to("real.json")


def an_unreadable_file(path: Path) -> None:
    shutil.copy(FIXTURE, path)
    path.chmod(0)


def a_huge_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 1_000_000_000)


def a_read_only_folder(path: Path) -> None:
    shutil.copy(FIXTURE, path)
    path.parent.chmod(0o555)


PLACES: dict[str, Callable[[Path], object]] = {
    "nothing, or no folder": lambda path: path.parent.rmdir(),
    "a folder": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a socket": a_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a symbolic link to a file": a_link_to_a_file,
    "a symbolic link to nothing": lambda path: path.symlink_to("nothing"),
    "a symbolic link to itself": lambda path: path.symlink_to(path),
    "a file that may not be read": an_unreadable_file,
    "a file of 1 GB": a_huge_file,
    "a file in a read-only folder": a_read_only_folder,
}
READ = ("a symbolic link to a file", "a file in a read-only folder")


def test_every_row_of_the_contract_has_its_place():
    assert documented().keys() == PLACES.keys()


@pytest.mark.parametrize("name", PLACES)
def test_what_stands_in_the_files_place_does_what_the_contract_says_and_the_next_good_file_is_taken_at_once(
    path: Path, name: str, caplog: pytest.LogCaptureFixture
):
    world = World(path, ends_after_seconds=75.0)
    PLACES[name](path)
    if path.is_file():
        os.utime(path, ns=(world.time_ns(), world.time_ns()))  # it is no old file

    def mend() -> None:
        if world.now == START + 60:
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(0o755)
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
            world.write(training_loss=0.125)

    with caplog.at_level(logging.DEBUG), without_privileges():
        world.ends_at = START + 55
        world.loop.run(world)
    looked = {record.levelname for record in caplog.records if record.name == "bridge.freshness"}
    says = documented()[name]
    says = documented()["nothing, or no folder"] if says == "as nothing" else says
    assert looked == {level for level in ("DEBUG", "INFO", "ERROR") if f"{level} line" in says}
    assert bool(world.sent) == (says == "it is read") == (name in READ)
    assert sum(world.loop.reads.values()) == 7, "it is looked at again at each tick"
    world.sent.clear()
    world.before_tick, world.now, world.ends_at = mend, START + 60, START + 65
    world.loop.run(world)
    assert points(world.sent[0], "ml.training.loss")[-1][0] == 0.125


def test_a_permission_that_is_taken_and_given_back_costs_the_time_between(path: Path):
    world = World(path, ends_after_seconds=125.0)
    world.write()
    path.chmod(0o644)

    def take_and_give_back() -> None:
        with_privileges = {20: 0, 80: 0o644}.get(int(world.now - START))
        if with_privileges is not None:
            euid = os.geteuid()
            os.seteuid(os.getuid())
            path.chmod(with_privileges)
            os.seteuid(euid)

    world.before_tick = take_and_give_back
    with without_privileges():
        world.loop.run(world)
    losses = [[held for held, _ in points(sent, "ml.training.loss")] for sent in world.sent]
    assert losses == [*[[0.342]] * 6, [None], [], *[[0.342]] * 6]
    assert world.loop.reads == {"new": 1, "unchanged": 7, "unreadable": 6}


def test_a_file_that_is_removed_and_written_again_later_is_one_more_reading(path: Path):
    world = World(path, ends_after_seconds=65.0)
    world.write()

    def remove_and_write_again() -> None:
        if world.now == START + 10:
            path.unlink()
            path.parent.rmdir()
        elif world.now == START + 40:
            path.parent.mkdir()
            world.write()

    world.before_tick = remove_and_write_again
    world.loop.run(world)
    assert world.loop.reads == {"new": 2, "missing": 3, "unchanged": 3}
    assert points(world.sent[-1], "ml.training.processing_time")[0][0] == 2


@pytest.mark.parametrize("leap_seconds", [-86_400.0, -3600.0, 3600.0])
def test_a_wall_clock_that_leaps_costs_no_tick_no_reading_and_no_gauge(path: Path, leap_seconds: float):
    world = World(path, ends_after_seconds=95.0)

    def job() -> None:
        if world.now == START + 50:
            world.leap_seconds = leap_seconds
        world.write(training_loss=world.now)

    world.before_tick = job
    world.loop.run(world)
    assert world.ticked_at == [*range(0, 100, 10), 95]
    assert world.loop.reads == {"new": 11}
    assert [points(sent, "ml.training.loss")[0][0] for sent in world.sent] == [START + at for at in world.ticked_at]


def test_a_time_of_change_that_goes_backwards_is_one_more_reading(path: Path):
    world = World(path, ends_after_seconds=35.0)
    world.write()

    def backwards() -> None:
        os.utime(path, ns=(0, int((1000 - world.now) * 1e9)))

    world.before_tick = backwards
    world.loop.run(world)
    assert world.loop.reads == {"new": 5}


def test_a_file_on_a_read_only_mount_is_read(path: Path):
    """In a namespace of its own, where the folder is mounted again, read-only."""
    shutil.copy(FIXTURE, path)
    folder = path.parent
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False, capture_output=True).returncode:  # noqa: S607
        pytest.skip("this machine allows no mount namespaces to this user")
    script = (
        "import sys; from pathlib import Path; from bridge.metrics_file import MetricsFile; "
        "print(len(MetricsFile(Path(sys.argv[1]), 10**5, monotonic=lambda: 0.0, time_ns=lambda: 0).read().data))"
    )
    inside = f'{mount} && ! touch {folder}/x && exec "$@"'
    read = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inside, "sh", sys.executable, "-c", script, str(path)],  # noqa: S607 - on PATH
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert int(read.stdout) == FIXTURE.stat().st_size

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from harness.cgroups import Cgroup, cgroup_of
from harness.observers.resources import ResourceObserver, Watched
from harness.procfs import create_time
from harness.record import ResourceSample
from harness.waiting import wait_until

V1 = {
    "memory.usage_in_bytes": "50000000\n",
    "memory.max_usage_in_bytes": "60000000\n",
    "memory.limit_in_bytes": "67108864\n",
    "memory.stat": "cache 9000000\ninactive_file 1\ntotal_inactive_file 8000000\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "cpuacct.usage": "1500000000\n",
    "cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 250000000\n",
}
V2 = {
    "memory.current": "50000000\n",
    "memory.peak": "60000000\n",
    "memory.max": "67108864\n",
    "memory.stat": "anon 40000000\ninactive_file 8000000\n",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\n",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nnr_throttled 3\nthrottled_usec 250000\n",
}


def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    made = tmp_path / "group"
    made.mkdir()
    for name, text in files.items():
        (made / name).write_text(text)
    return made


@pytest.mark.parametrize(("files", "unified"), [(V1, False), (V2, True)], ids=["v1", "v2"])
def test_both_versions_say_the_same(tmp_path: Path, files: dict[str, str], unified: bool):
    at = folder(tmp_path, files)
    figures = Cgroup(at, at, at, unified).figures()
    assert dataclasses.asdict(figures) == {
        "cpu_seconds": 1.5,
        "memory_bytes": 42_000_000,
        "memory_peak_bytes": 60_000_000,
        "memory_limit_bytes": 64 * 2**20,
        "throttled_seconds": 0.25,
        "kills": 2,
    }


@pytest.mark.parametrize(
    ("files", "unified"),
    [({**V1, "memory.limit_in_bytes": "9223372036854771712\n"}, False), ({**V2, "memory.max": "max\n"}, True)],
    ids=["v1", "v2"],
)
def test_no_limit_is_told_from_a_large_one(tmp_path: Path, files: dict[str, str], unified: bool):
    at = folder(tmp_path, files)
    assert Cgroup(at, at, at, unified).figures().memory_limit_bytes is None


def test_a_kernel_that_keeps_no_mark_of_the_peak_says_none(tmp_path: Path):
    at = folder(tmp_path, {name: text for name, text in V2.items() if name != "memory.peak"})
    assert Cgroup(at, at, at, unified=True).figures().memory_peak_bytes is None


@pytest.mark.parametrize("spoiled", [{"memory.stat": "anon\n"}, {"memory.current": ""}, {"memory.stat": "anon 1\n"}])
def test_what_is_no_control_group_is_one_error(tmp_path: Path, spoiled: dict[str, str]):
    at = folder(tmp_path, {**V2, **spoiled})
    with pytest.raises(OSError, match="is not what a control group looks like"):
        Cgroup(at, at, at, unified=True).figures()


def proc(tmp_path: Path, cgroup: str, mountinfo: str) -> Path:
    made = tmp_path / "proc"
    (made / "self").mkdir(parents=True)
    (made / "7").mkdir()
    (made / "7" / "cgroup").write_text(cgroup)
    (made / "self" / "mountinfo").write_text(mountinfo)
    return made


def test_a_group_of_v1_is_found_controller_by_controller(tmp_path: Path):
    there = proc(
        tmp_path,
        "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
        "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
    )
    cpu = Path("/sys/fs/cgroup/cpu,cpuacct/docker/abc")
    assert cgroup_of(7, there) == Cgroup(Path("/sys/fs/cgroup/memory/docker/abc"), cpu, cpu, unified=False)


def test_a_group_of_v2_is_found_in_its_one_tree(tmp_path: Path):
    tree = tmp_path / "tree"
    (tree / "system.slice" / "docker-abc.scope").mkdir(parents=True)
    (tree / "system.slice" / "docker-abc.scope" / "memory.current").write_text("1\n")
    there = proc(tmp_path, "0::/system.slice/docker-abc.scope\n", f"30 25 0:26 / {tree} rw - cgroup2 cgroup2 rw\n")
    found = cgroup_of(7, there)
    assert found is not None
    assert found.unified
    assert found.memory == tree / "system.slice" / "docker-abc.scope"


@pytest.mark.parametrize("cgroup", ["0::/\n", "4:memory:/\n0::/\n"])
def test_the_group_of_the_whole_machine_is_nobodys_own(tmp_path: Path, cgroup: str):
    assert cgroup_of(7, proc(tmp_path, cgroup, "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")) is None


def test_a_process_that_is_gone_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        cgroup_of(8, proc(tmp_path, "0::/\n", ""))


def test_a_sample_has_the_groups_figures_beside_the_process_own(tmp_path: Path):
    at = folder(tmp_path, V1)
    kept: list[ResourceSample] = []
    observer = ResourceObserver(kept.append, period_seconds=0.02)
    watched = Watched(
        "bridge", os.getpid(), create_time(os.getpid()), with_children=False, cgroup=Cgroup(at, at, at, unified=False)
    )
    observer.watch(watched)
    observer.start()
    try:
        wait_until(lambda: bool(kept), within=10, what="a sample")
        (at / "memory.stat").unlink()  # the container has ended, the process is still looked at
        seen = len(kept)
        wait_until(lambda: len(kept) > seen + 1, within=10, what="a sample without the group")
    finally:
        observer.stop()
    first, last = kept[0], kept[-1]
    assert (first.cgroup_cpu_seconds, first.cgroup_memory_bytes, first.cgroup_throttled_seconds) == (
        1.5,
        42_000_000,
        0.25,
    )
    assert first.rss_bytes > 0
    assert last.cgroup_memory_bytes is None
    assert last.rss_bytes > 0

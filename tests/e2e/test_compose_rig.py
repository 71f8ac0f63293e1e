"""The compose rig on this machine's Docker: what it measures, how it tells an end, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.record import RunRecord
from harness.record_folder import load
from harness.rigs.compose_project import LABEL
from harness.waiting import wait_until
from tests.e2e.engine import docker, inspect
from tests.e2e.stack import Stack

pytestmark = pytest.mark.usefixtures("stack")  # it builds the images
SCENARIOS = Path(__file__).with_name("scenarios")
MIB = 2**20
RUN_SECONDS = 240


def command(scenario: str, out: Path, *more: str) -> list[str]:
    file = str(SCENARIOS / f"{scenario}.yaml")
    return [sys.executable, "-m", "harness", "run", file, "--rig", "compose", "--out", str(out), *more]


def run(scenario: str, out: Path, *more: str) -> tuple[int, RunRecord, str]:
    """Exit code, record, and the verdict's sentence."""
    done = subprocess.run(command(scenario, out, *more), check=False, capture_output=True, timeout=RUN_SECONDS)
    (folder,) = (path.parent for path in out.glob("*/run.json"))
    verdict = json.loads((folder / "verdict.json").read_text())
    return done.returncode, load(folder), f"{verdict['verdict']}: {verdict['reason']}"


def left(of: int | None = None) -> list[str]:
    """Names of containers and networks that runs made; ``of``: only those of one harness."""
    found = []
    for kind in (("container", "ls", "--all"), ("network", "ls")):
        names = "{{.Names}}" if kind[0] == "container" else "{{.Name}}"
        found += docker(*kind, "--filter", f"label={LABEL}", "--format", names).split()
    return [name for name in found if of is None or name.startswith(f"harness-{of}-")]


def test_at_16_mib_the_verdict_says_killed_by_the_memory_limit_with_limit_and_peak(
    tmp_path: Path, figure: Callable[[str], None]
):
    code, record, said = run("memory-limit-too-low", tmp_path)
    assert code == 1, said
    assert said.startswith("FAIL: survives-bad-input broke: the bridge was killed by the memory limit of 16.0 MiB")
    (end,) = [event for event in record.events if event.data.get("out_of_memory")]
    assert (end.data["role"], end.data["exit_code"], end.data["memory_limit_bytes"]) == ("bridge", -9, 16 * MIB)
    assert 14 * MIB < end.data["memory_peak_bytes"] <= 16 * MIB
    figure(said)


def test_the_figures_are_those_of_the_bridges_own_process_and_container(tmp_path: Path, figure: Callable[[str], None]):
    code, record, said = run("short", tmp_path, "--bridge", "python -m bridge")
    assert code == 0, said
    samples = [sample for sample in record.resources if sample.role == "bridge"]
    (started,) = [event for event in record.events if event.data.get("role") == "bridge"
                  and event.data.get("action") == "started"]  # fmt: skip
    assert samples[-1].processes == 1
    assert {sample.cgroup_memory_limit_bytes for sample in samples} == {64 * MIB}
    last = samples[-1]
    assert last.cgroup_cpu_seconds is not None
    assert last.cgroup_memory_peak_bytes is not None
    assert last.cpu_seconds <= last.cgroup_cpu_seconds < last.cpu_seconds + 1  # the container holds nothing else
    assert 10 * MIB < last.rss_bytes < 50 * MIB  # a client of Docker's has less or more
    assert 10 * MIB < last.cgroup_memory_peak_bytes < 64 * MIB
    assert started.data["pid"] > 1
    assert started.data["image_id"] == inspect("ml-metrics-bridge:dev")["Id"]
    peak_mib = last.cgroup_memory_peak_bytes / MIB
    cpu = f"{last.cgroup_cpu_seconds:.2f} s of CPU in {last.t - started.t:.0f} s"
    figure(f"on the compose rig: {cpu}, RSS {last.rss_bytes / MIB:.1f} MiB, the container's peak {peak_mib:.1f} MiB")


def test_the_containers_are_the_projects_own_and_none_outlives_a_killed_harness(tmp_path: Path, stack: Stack):
    with subprocess.Popen(command("short", tmp_path), stdout=subprocess.DEVNULL) as harness:
        try:
            wait_until(
                lambda: any(b'"action":"ready"' in path.read_bytes() for path in tmp_path.glob("*/events.jsonl")),
                within=90,
                every=0.2,
                what="the bridge is ready",
            )
            (bridge,) = [one for one in left(harness.pid) if one.endswith("-bridge")]
            made, theirs = inspect(bridge)["HostConfig"], inspect(stack.container("bridge"))["HostConfig"]
            for key in ("ReadonlyRootfs", "CapDrop", "SecurityOpt", "Memory", "MemorySwap", "NanoCpus", "PidsLimit"):
                assert made[key] == theirs[key], key
            assert made["PortBindings"] in (None, {})
            writable = {mount["Destination"]: mount["RW"] for mount in inspect(bridge)["Mounts"]}
            assert writable == {"/shared": False, "/run-folder": True}
        finally:
            harness.kill()
    wait_until(lambda: not left(harness.pid), within=90, every=0.5, what="nothing of it is left")


def test_an_interrupted_run_leaves_nothing(tmp_path: Path):
    with subprocess.Popen(command("short", tmp_path), stdout=subprocess.DEVNULL) as harness:
        try:
            wait_until(lambda: bool(left(harness.pid)), within=90, every=0.1, what="its first container or network")
            harness.terminate()
            assert harness.wait(90) == 130
        finally:
            harness.kill()
    assert left(harness.pid) == []


def test_an_image_that_is_not_there_is_said_in_one_sentence_before_anything_is_made(tmp_path: Path):
    before = left()
    done = subprocess.run(
        command("short", tmp_path, "--bridge", "image:no-such-image:1.0"),
        check=False, capture_output=True, text=True, timeout=RUN_SECONDS,
    )  # fmt: skip
    assert done.returncode == 3
    said = done.stderr.splitlines()[-1]
    assert said.endswith("Invalid value for --bridge: there is no image no-such-image:1.0 here: build it, or pull it")
    assert list(tmp_path.iterdir()) == []
    assert left() == before


def test_without_an_engine_doctor_says_so_in_one_sentence():
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "harness", "doctor", "--rig", "compose"],
        check=False, capture_output=True, text=True, env=environment, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    (missing,) = [line for line in done.stdout.splitlines() if "missing:" in line]
    assert "the Docker engine does not answer" in missing
    assert "start it" in missing

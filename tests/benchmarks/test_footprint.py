"""The footprint's arithmetic and verdict; its figures are the benchmark's own business."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.footprint import Line, paired, spread
from benchmarks.full_queue import documents
from bridge.metrics_file import Identity, Reading
from bridge.snapshot import parse
from harness.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("measured", "bound", "noise", "verdict"),
    [
        (1.2, 1.2, 0.0, "<="),
        (1.21, 1.2, 0.0, "BEYOND"),
        (9.9, None, 0.5, ""),
        (1.1, 1.2, 0.02, "<="),
        (1.21, 1.2, 0.13, "UNDECIDED"),
        (1.19, 1.2, 0.13, "UNDECIDED"),
        (1.4, 1.2, 0.13, "BEYOND"),
    ],
)
def test_a_figure_holds_up_to_its_bound_where_the_noise_leaves_that_to_be_said(
    measured: float, bound: float | None, noise: float, verdict: str
):
    assert Line("a figure", measured, bound, "", "", noise).verdict == verdict


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    assert paired([2.0, 9.0, 3.0], [1.0, 3.0, 1.0]) == 3.0
    assert spread([2.0, 1.0]) == "1.000 to 2.000"


def test_its_documents_are_whole_snapshots_and_differ():
    first, second = documents(2)
    assert first != second
    for document in (first, second):
        assert parse(Reading(document, Identity(1, 1, 1), 0.0, 1_800_000_000 * 10**9)).left_out == ()


def test_what_waits_is_delivered_whole_and_each_request_is_as_long_as_the_others(tmp_path: Path):
    with (tmp_path / "sink.log").open("w") as log:
        sink = subprocess.Popen(
            [sys.executable, "-m", "harness.observers.sink", "--out", str(tmp_path / "exports.jsonl")],
            cwd=ROOT,
            stdout=log,
        )
    try:
        said = tmp_path / "sink.log"
        wait_until(lambda: said.read_text().endswith("\n"), within=20, what="the sink's port")
        port = said.read_text().strip().rpartition(":")[2]
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.full_queue", f"http://127.0.0.1:{port}", str(tmp_path / "x"), "200"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    finally:
        sink.terminate()
        sink.wait(10)
    told = json.loads(ended.stdout)
    assert (told["queued"], told["dropped"], told["delivered"]) == (200, 0, 200)
    assert told["request_bytes_min"] == told["request_bytes_max"]


@pytest.mark.parametrize("module", ["bare_loop", "imports_only"])
def test_the_floor_imports_nothing_but_the_libraries(module: str):
    program = f"import sys, benchmarks.floor.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "h2" in names
    assert not names & {"harness", "bridge", "pydantic", "yaml"}


def test_whoever_ends_a_benchmark_ends_what_it_started(tmp_path: Path):
    measuring = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.compare", "--seconds", "60"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )

    def beside_it() -> set[int]:
        found = Path(f"/proc/{measuring.pid}/task/{measuring.pid}/children").read_text()
        return {int(pid) for pid in found.split()}

    wait_until(lambda: len(beside_it()) == 4, within=60, what="the sink, A, A and B")
    pids = beside_it()
    measuring.terminate()
    assert measuring.wait(60) == 128 + signal.SIGTERM
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not list(tmp_path.iterdir())

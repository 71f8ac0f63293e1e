"""How small the bridge is: side by side, in one run, with the bare loop, which is what its libraries cost alone.

``python -m benchmarks.footprint [--seconds 30] [--rounds 3] [--python PATH]``

Two bare loops and a bridge run at a 1 s interval against one recording sink, all at once and started in another order
each round; the second bare loop against the first is the noise (A/A) of each figure. ``--python`` is the interpreter of
those three: one with `requirements/bridge.txt` and nothing else is what the image has (psutil, where it is installed,
is imported by the SDK and costs 0.9 MiB). Exit code 1 where a ratio or a size is beyond its bound, else 2 where the
noise leaves one undecided: on a busy machine that is no verdict, and the run is to be repeated. 2 also where a process
ended before it was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arguments import positive_count, positive_seconds
from benchmarks.ending import beside, ended_in_order
from benchmarks.full_queue import documents
from harness.procfs import cpu_seconds
from harness.waiting import WaitedTooLongError, wait_until

RSS_RATIO_MAX = 1.15
CPU_RATIO_MAX = 1.5
START_RATIO_MAX = 1.2
FULL_QUEUE_MIB_MAX = 34.0
WARM_UP_SECONDS = 3.0
SAMPLE_SECONDS = 0.25
INTERVAL_SECONDS = 1.0
STARTS_A_ROUND = 4
HOLDS, BEYOND, UNDECIDED = "<=", "BEYOND", "UNDECIDED"

ROOT = Path(__file__).parents[1]
BARE = ("-m", "benchmarks.floor.bare_loop")
BRIDGE = ("-m", "bridge")
IMPORTS = ("-m", "benchmarks.floor.imports_only")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one process took over one round."""

    rss_mib: float
    """95th percentile after the warm-up."""
    cpu_percent: float
    """Of one core."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its bound."""

    name: str
    measured: float
    bound: float | None
    unit: str
    remark: str
    noise: float = 0.0
    """How far the bare loop is from itself, as a share of it."""

    @property
    def verdict(self) -> str:
        """Whether it is within its bound, where it has one: a margin that is smaller than the noise decides nothing."""
        if self.bound is None:
            return ""
        if abs(self.bound - self.measured) < self.noise * self.measured:
            return UNDECIDED
        return HOLDS if self.measured <= self.bound else BEYOND


class EndedError(Exception):
    """A process was gone before its measuring was over: one that is gone takes nothing, which is no figure."""


class Bench:
    """The sink, the file that a job writes, and the processes beside them.

    Args:
        python: the interpreter of the measured processes.
        folder: an empty one.

    Raises:
        OSError: the interpreter cannot be started.
        EndedError: it has not the libraries of the bridge.
        WaitedTooLongError: the sink, or the bridge's first points at it, did not come.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self.python = python
        self.folder = folder
        self._file = folder / "current.json"
        self._exports = folder / "exports.jsonl"
        self._documents = documents(10**9)
        self._exports.touch()
        self._compiled = folder / "compiled"
        self._ending = ExitStack()
        try:
            with (folder / "sink.log").open("w+", encoding="utf-8") as log:
                sink = [sys.executable, "-m", "harness.observers.sink", "--out", str(self._exports)]
                self._ending.enter_context(beside(sink, cwd=ROOT, stdout=log))
            wait_until(lambda: self._port(folder) > 0, within=20, what="the sink's port")
            self.endpoint = f"http://127.0.0.1:{self._port(folder)}"
            self.write()
            # Once for nothing: from here on all that is imported is compiled, as in the image, wherever this runs.
            self.imports()
            self.first_arrival()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the sink."""
        self._ending.close()

    def write(self) -> None:
        """Write as a job does: a file beside it, renamed over."""
        self._file.with_suffix(".tmp").write_bytes(next(self._documents))
        self._file.with_suffix(".tmp").replace(self._file)

    @contextmanager
    def running(
        self, arguments: Sequence[str], *, interval: str = f"{INTERVAL_SECONDS:g}", tree: Path = ROOT
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run one process of the measured interpreter with the contract's variables, in a source tree."""
        environ = {
            "PATH": os.environ["PATH"],
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "METRICS_FILE_PATH": str(self._file),
            "COLLECTION_INTERVAL": interval,
            "LOG_LEVEL": "WARNING",
            "PYTHONPYCACHEPREFIX": str(self._compiled),
        }
        with beside([self.python, *arguments], cwd=tree, env=environ) as process:
            yield process

    def side_by_side(
        self, commands: Sequence[Sequence[str]], seconds: float, *, trees: Sequence[Path] = ()
    ) -> list[Footprint]:
        """Run them all at once for so long, each in its source tree; gives theirs in the order of the commands.

        Raises:
            EndedError: one of them was gone before the end.
            OSError: one of them cannot be started.
        """
        places = trees or [ROOT] * len(commands)
        with ExitStack() as stack:
            started: list[subprocess.Popen[bytes]] = []
            for command, tree in zip(commands, places, strict=True):
                started.append(stack.enter_context(self.running(command, tree=tree)))
                # Each its own phase: of several that tick at once the first pays for what it leaves warm in the caches.
                time.sleep(INTERVAL_SECONDS / len(commands))
            pids = [process.pid for process in started]
            self._pass(WARM_UP_SECONDS)
            _see_that_all_run(started)
            began, cpu_began = time.monotonic(), [cpu_seconds(pid) for pid in pids]
            samples = self._pass(seconds, pids)
            took, cpu_ended = time.monotonic() - began, [cpu_seconds(pid) for pid in pids]
            _see_that_all_run(started)
        return [
            Footprint(statistics.quantiles(rss, n=20)[-1], 100 * (end - start) / took)
            for rss, start, end in zip(samples, cpu_began, cpu_ended, strict=True)
        ]

    def _pass(self, seconds: float, pids: Sequence[int] = ()) -> list[list[float]]:
        """Let time pass, with a write each second; gives the processes' RSS meanwhile."""
        samples: list[list[float]] = [[] for _ in pids]
        end = time.monotonic() + seconds
        due = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() >= due:
                self.write()
                due += 1.0
            for pid, seen in zip(pids, samples, strict=True):
                seen.append(int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_MIB)
            time.sleep(SAMPLE_SECONDS)
        return samples

    def first_arrival(self) -> float:
        """Seconds from the bridge's start to its first points at the sink."""
        before = self._exports.stat().st_size
        began = time.monotonic()
        with self.running(BRIDGE, interval="60"):
            wait_until(lambda: self._exports.stat().st_size > before, within=30, what="an arrival", every=0.005)
        with self._exports.open(encoding="utf-8") as lines:
            lines.seek(before)
            arrived: float = json.loads(lines.readline())["t"]
        return arrived - began

    def imports(self) -> float:
        """Seconds from the start of a process that only imports the same libraries until it has."""
        began = time.monotonic()
        with self.running(IMPORTS) as process:
            if process.stdout is None or process.stdout.read(1) != b"x":
                raise EndedError(f"{self.python} could not import the libraries of the bridge: it said why above")
            return time.monotonic() - began

    def full_queue(self, *count: int, endpoint: str = "") -> dict[str, Any]:
        """A full day of requests (or so many) waiting, then delivered, in a process of its own."""
        ended = subprocess.run(  # noqa: S603 - of this repository
            [self.python, "-m", "benchmarks.full_queue", endpoint or self.endpoint, str(self._file), *map(str, count)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPYCACHEPREFIX": str(self._compiled)},
            check=True,
            capture_output=True,
        )
        told: dict[str, Any] = json.loads(ended.stdout)
        return told

    def _port(self, folder: Path) -> int:
        found = re.search(r"sink on 127\.0\.0\.1:(\d+)", (folder / "sink.log").read_text(encoding="utf-8"))
        return int(found[1]) if found else 0


def _see_that_all_run(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Find those that are gone.

    Raises:
        EndedError: one is; says which, and with which code.
    """
    for process in processes:
        if (code := process.poll()) is not None:
            command = shlex.join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
            raise EndedError(f"`{command}` ended with code {code} while it was to be measured: it said why above")


def footprint_lines(bench: Bench, rounds: int, seconds: float) -> Iterator[Line]:
    """RSS and CPU of the bridge over the bare loop's, with the noise."""
    seen: dict[str, list[Footprint]] = {"bare": [], "again": [], "bridge": []}
    commands = {"bare": BARE, "again": BARE, "bridge": BRIDGE}
    for number in range(rounds):
        names = list(commands)[number % 3 :] + list(commands)[: number % 3]
        for name, found in zip(names, bench.side_by_side([commands[name] for name in names], seconds), strict=True):
            seen[name].append(found)
    for figure, bound, unit in (("rss_mib", RSS_RATIO_MAX, "MiB"), ("cpu_percent", CPU_RATIO_MAX, "% of one core")):
        bare, again, bridge = ([getattr(each, figure) for each in seen[name]] for name in commands)
        yield Line(f"bare loop {figure}", statistics.median(bare + again), None, unit, spread(bare + again))
        yield Line(f"bridge {figure}", statistics.median(bridge), None, unit, spread(bridge))
        ratio, noise = (
            paired(bridge, [statistics.mean(pair) for pair in zip(bare, again, strict=True)]),
            paired(again, bare),
        )
        yield Line(f"{figure} ratio", ratio, bound, "", f"A/A {noise:.3f}", abs(noise - 1))


def start_lines(bench: Bench, repeats: int) -> Iterator[Line]:
    """Start to first arrival over the time that the imports alone take, with the noise."""
    imports, again, bridge = [], [], []
    for _ in range(repeats):
        imports.append(bench.imports())
        bridge.append(bench.first_arrival())
        again.append(bench.imports())
    yield Line("imports alone", min(imports + again), None, "s", spread(imports + again))
    yield Line("start to first arrival", min(bridge), None, "s", spread(bridge))
    # The fastest of each: whatever else a machine does can only add, and to a fifth of a second it adds much.
    noise = min(again) / min(imports)
    yield Line(
        "start ratio", min(bridge) / min(imports + again), START_RATIO_MAX, "", f"A/A {noise:.3f}", abs(noise - 1)
    )


def queue_lines(bench: Bench) -> Iterator[Line]:
    """Memory with a full queue, and the length of a tick's request."""
    told = bench.full_queue()
    remark = f"{told['queued']} requests in {told['queue_mib']} MiB, {told['dropped']} dropped"
    yield Line("RSS with a full queue", told["rss_full_mib"], FULL_QUEUE_MIB_MAX, "MiB", remark)
    remark = f"{told['delivered']} delivered"
    yield Line("peak until it is delivered", told["peak_mib"], FULL_QUEUE_MIB_MAX, "MiB", remark)
    grown = told["request_bytes_max"] - told["request_bytes_min"]
    remark = f"{told['request_bytes_max']} bytes a tick over {told['queued']} ticks"
    yield Line("growth of a tick's request", grown, 0, "bytes", remark)


def paired(these: Sequence[float], those: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(these, those, strict=True))


def spread(values: Sequence[float]) -> str:
    """Lowest and highest, as a remark."""
    return f"{min(values):.3f} to {max(values):.3f}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=positive_seconds, default=30.0, help="of each round, after a warm-up of 3 s")
    parser.add_argument("--rounds", type=positive_count, default=3)
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the measured processes")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with ended_in_order(), closing(Bench(chosen.python, Path(folder))) as bench:
                lines = [
                    *footprint_lines(bench, chosen.rounds, chosen.seconds),
                    *start_lines(bench, STARTS_A_ROUND * chosen.rounds),
                    *queue_lines(bench),
                ]
        except (EndedError, WaitedTooLongError, OSError) as error:
            sys.stderr.write(f"nothing can be told: {error}\n")
            return 2
    for line in lines:
        bound = "" if line.bound is None else f"{line.verdict} {line.bound:g}"
        sys.stdout.write(f"{line.name:28} {line.measured:9.3f} {line.unit:14} {bound:16} {line.remark}\n")
    verdicts = {line.verdict for line in lines}
    return 1 if BEYOND in verdicts else 2 if UNDECIDED in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())

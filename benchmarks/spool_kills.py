"""Kills the bridge with SIGKILL at random moments of outages, and shows what a spool keeps.

``python -m benchmarks.spool_kills [--rounds 100] [--side-by-side 6] [--seed N] [--keep DIR] [--without-spool]``

A round: bridge -> relay -> recording sink, each a process; a random trouble between them; the bridge is killed one to
three times in it, sometimes once more while the backlog leaves; then all is well, and everything must arrive. What was
queued, and when, says a ledger that the bridge's process writes (`benchmarks.observed_bridge`). Exit code 0: in no
round was anything missing that was queued more than a second after the first failed call began; first deliveries were
in order, and what came was what was queued.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Protocol

from benchmarks.arguments import positive_count
from harness.child_environment import child_environment
from harness.control import Control
from harness.observers.otlp_points import points_of
from harness.processes import Process, Processes
from harness.waiting import wait_until

INTERVAL_SECONDS = 0.1
PROMISED_AFTER_SECONDS = 1.0
_WITHIN_SECONDS = 60.0
_OF_THE_JOB = ("ml.training.", "ml.validation.")
_IN_DRAIN = 0.3
"""The share of rounds with one more kill while the backlog leaves."""
_FIGURES = ("kills", "queued", "promised", "missing", "missing_else", "twice", "altered", "out_of_order")
_TROUBLES = {
    "refused": ("relay", "mode", {"mode": "refuse"}, {"mode": "forward"}),
    "silent": ("relay", "mode", {"mode": "silent"}, {"mode": "forward"}),
    "unavailable": ("sink", "decide", {"decision": "status"}, {"decision": "ok"}),
    "hanging": ("sink", "decide", {"decision": "hang"}, {"decision": "ok"}),
}

Points = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is random in a round."""

    seed: int
    trouble: str
    calm_seconds: float
    kills_after_seconds: tuple[float, ...]
    """Each from the trouble, or from the restart within it, on."""
    kill_in_drain_after_seconds: float | None

    @classmethod
    def draw(cls, seed: int) -> Plan:
        """The same for the same seed."""
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        return cls(
            seed,
            trouble=chance.choice(sorted(_TROUBLES)),
            calm_seconds=chance.uniform(0.1, 0.6),
            kills_after_seconds=(
                chance.uniform(0.0, 6.0),
                *(chance.uniform(0.5, 4.0) for _ in range(chance.choice((0, 0, 1, 2)))),
            ),
            kill_in_drain_after_seconds=chance.uniform(0.0, 0.1) if chance.random() < _IN_DRAIN else None,
        )


@dataclass(slots=True)
class Result:
    """What a round showed. Counts are of requests."""

    plan: Plan
    kills: int = 0
    queued: int = 0
    promised: int = 0
    """Queued in an outage, more than a second after its first failed call began, by a bridge that was killed. An outage
    lasts until all that was queued before has arrived."""
    missing: int = 0
    """Of those promised."""
    missing_age_seconds_max: float = 0.0
    """How long before the kill the oldest of those missing was queued."""
    missing_else: int = 0
    """Missing, but never promised."""
    twice: int = 0
    altered: int = 0
    out_of_order: int = 0
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether the promise was kept, and there was something to keep."""
        return not (self.missing or self.altered or self.out_of_order or self.error) and self.kills > 0

    def line(self) -> str:
        """The round on one line."""
        figures = ", ".join(f"{name} {getattr(self, name)}" for name in _FIGURES)
        verdict = "ok " if self.good else "BAD"
        return f"{verdict} seed {self.plan.seed} {self.plan.trouble}: {figures}{self.error and ', ' + self.error}"


class Account(Protocol):
    """What there is to judge of a round."""

    def puts(self) -> list[tuple[int, float, bytes]]: ...  # noqa: D102 - as of `Rig`
    def arrivals(self) -> list[tuple[float, Points]]: ...  # noqa: D102 - as of `Rig`


@dataclass(slots=True)
class Rig:
    """The processes of one round."""

    folder: Path
    processes: Processes
    spool: bool
    controls: dict[str, Control] = field(default_factory=dict)
    port: int = 0

    def up(self) -> None:
        """Start sink and relay."""
        sink = self._child("sink", "--out", str(self.folder / "exports.jsonl"))
        self.port = self._child("relay", "--upstream", str(sink), "--out", str(self.folder / "wire.jsonl"))
        self.write(0.5)

    def write(self, loss: float) -> None:
        """Be the job."""
        document = {"job_metadata": {"job_id": "killed"}, "training_metrics": {"epoch": 1, "training_loss": loss}}
        (self.folder / "tmp").write_text(json.dumps(document))
        (self.folder / "tmp").replace(self.folder / "current.json")

    def bridge(self) -> Process:
        """Start the bridge."""
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "METRICS_FILE_PATH": str(self.folder / "current.json"),
            "COLLECTION_INTERVAL": str(INTERVAL_SECONDS),
            "BRIDGE_SPOOL_DIR": str(self.folder / "spool") if self.spool else "",
        }
        command = (sys.executable, "-m", "benchmarks.observed_bridge", str(self.folder / "queued"))
        return self.processes.start("bridge", command, env=child_environment(variables), log=self.folder / "bridge.log")

    def puts(self) -> list[tuple[int, float, bytes]]:
        """What was queued: process id, when, what. The last line may be cut off."""
        path = self.folder / "queued"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        words = (line.split() for line in lines if line.endswith("\n"))
        return [(int(pid), float(t), bytes.fromhex(encoded)) for pid, t, encoded in words]

    def first_tick(self, bridge: Process) -> None:
        """Wait until this bridge has queued something."""
        _until(lambda: any(pid == bridge.pid for pid, _, _ in self.puts()), "a first tick")

    def arrivals(self) -> list[tuple[float, Points]]:
        """When each request came that the sink took, and its points, in the order in which they came."""
        arrived: list[tuple[float, Points]] = []
        for line in (self.folder / "exports.jsonl").read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # the sink is writing it
            export = json.loads(line)
            if export["answered"] == "OK":
                arrived += [(export["t"], points) for points in _by_tick(export["points"])]
        return arrived

    def _child(self, role: str, *arguments: str) -> int:
        ours, theirs = socket.socketpair()
        command = (sys.executable, "-m", f"harness.observers.{role}", *arguments, "--control-fd", str(theirs.fileno()))
        with theirs:
            self.processes.start(
                role,
                command,
                env=child_environment({}),
                log=self.folder / f"{role}.log",
                pass_fds=(theirs.fileno(),),
            )
        self.controls[role] = Control(ours, role)
        return int(self.controls[role].ready(_WITHIN_SECONDS)["port"])


def run_round(seed: int, folder: Path, *, spool: bool = True) -> Result:
    """One round in a folder of its own; without a spool it shows what a kill costs."""
    result = Result(Plan.draw(seed))
    rig = Rig(folder, Processes(lambda *_: None), spool)
    try:
        began, killed = _play(rig, result)
        judge(rig, result, began, killed)
    except Exception as error:  # noqa: BLE001 - a round that could not be played is a bad one, and the others go on
        result.error = f"{type(error).__name__}: {error}"
    finally:
        rig.processes.close()
        for control in rig.controls.values():
            control.close()
    return result


def _play(rig: Rig, result: Result) -> tuple[float, dict[int, float]]:
    """Play the plan; when the trouble began, and when each process was killed."""
    plan = result.plan
    role, do, break_it, mend_it = _TROUBLES[plan.trouble]
    killed: dict[int, float] = {}

    def kill() -> None:
        killed[bridge.pid] = rig.processes.signal(bridge, signal.SIGKILL)
        bridge.kill()
        result.kills += 1

    rig.up()
    bridge = rig.bridge()
    _until(lambda: bool(rig.arrivals()), "a first delivery")
    time.sleep(plan.calm_seconds)
    began = time.monotonic()
    rig.controls[role].ask(do, break_it)
    for seconds in plan.kills_after_seconds:
        time.sleep(seconds)
        kill()
        bridge = rig.bridge()
        rig.first_tick(bridge)
    rig.controls[role].ask(do, mend_it)
    if plan.kill_in_drain_after_seconds is not None:
        arrived = len(rig.arrivals())
        _until(lambda: len(rig.arrivals()) > arrived, "the backlog begins to leave")
        time.sleep(plan.kill_in_drain_after_seconds)
        kill()
        bridge = rig.bridge()
    rig.write(0.25)
    _until(lambda: any(_loss(points) == 0.25 for _, points in rig.arrivals()), "what was written last arrives")  # noqa: PLR2004
    ended = bridge.stop(_WITHIN_SECONDS)
    if ended.code:
        result.error = f"the last bridge ended with {ended.code}"
    left = sorted(path.name for path in (rig.folder / "spool").glob("[!l]*"))
    if left:
        result.error = f"the spool still has {left}"
    return began, killed


def judge(rig: Account, result: Result, began: float, killed: dict[int, float]) -> None:
    """Count what was promised, and what of that is missing.

    Args:
        rig: what was queued and what arrived.
        result: takes the counts.
        began: when the trouble began.
        killed: when each process was killed.
    """
    arrived: dict[int, tuple[float, Points]] = {}
    newest = 0
    for t, points in rig.arrivals():
        tick = points[0]["time_unix_nano"]
        result.twice += tick in arrived
        if tick not in arrived:
            result.out_of_order += tick < newest
            newest = max(newest, tick)
            arrived[tick] = (t, points)
    first_calls: dict[int, float] = {}
    all_arrived_at: dict[int, float] = {}
    for pid, t, encoded in rig.puts():
        (points,) = _by_tick(points_of(encoded)[1])
        result.queued += 1
        if t >= began:
            first_calls.setdefault(pid, t)
        # Once all that was queued before has arrived the outage is over, whenever it was mended: no disk is touched.
        over = all_arrived_at.get(pid, -inf) < t
        promised = pid in killed and not over and t > first_calls.get(pid, t) + PROMISED_AFTER_SECONDS
        result.promised += promised
        at, found = arrived.get(points[0]["time_unix_nano"], (inf, None))
        all_arrived_at[pid] = max(all_arrived_at.get(pid, -inf), at)
        if found is None and promised:
            result.missing += 1
            result.missing_age_seconds_max = max(result.missing_age_seconds_max, killed[pid] - t)
        elif found is None:
            result.missing_else += 1
        elif found != points:
            result.altered += 1


def _by_tick(points: Points) -> list[Points]:
    """The points of a call, which may carry many requests, by request; the bridge's own metrics are passed over."""
    ticks: dict[int, Points] = {}
    for point in points:
        if point["metric"].startswith(_OF_THE_JOB):
            ticks.setdefault(point["time_unix_nano"], []).append(point)
    return list(ticks.values())


def _loss(points: Points) -> float | None:
    return next((point["value"] for point in points if point["metric"] == "ml.training.loss"), None)


def _until(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, within=_WITHIN_SECONDS, what=what, every=0.01)


def main(arguments: list[str] | None = None) -> int:
    """Play the rounds and say what they showed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spool_kills")
    parser.add_argument("--rounds", type=positive_count, default=100)
    parser.add_argument("--side-by-side", type=positive_count, default=6, help="rounds at once: they mostly wait")
    parser.add_argument("--seed", type=int, help="of the first round; the next ones count up (default: random)")
    parser.add_argument("--keep", type=Path, help="keep the rounds' folders here")
    parser.add_argument("--without-spool", action="store_true", help="for comparison")
    chosen = parser.parse_args(arguments)
    first = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="spool-kills-"))
    print(f"rounds with seeds {first} to {first + chosen.rounds - 1}")  # noqa: T201 - what a script says, as below

    def one(seed: int) -> Result:
        folder = root / str(seed)
        folder.mkdir(parents=True)
        result = run_round(seed, folder, spool=not chosen.without_spool)
        print(result.line(), flush=True)  # noqa: T201
        if result.good and chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        return result

    with ThreadPoolExecutor(chosen.side_by_side) as pool:
        results = list(pool.map(one, range(first, first + chosen.rounds)))
    total = {name: sum(getattr(result, name) for result in results) for name in _FIGURES}
    bad = [result.plan.seed for result in results if not result.good]
    print("all rounds:", ", ".join(f"{name} {value}" for name, value in total.items()))  # noqa: T201
    if total["missing"]:
        age = max(result.missing_age_seconds_max for result in results)
        print(f"of those missing, the oldest was queued {age * 1000:.1f} ms before its kill")  # noqa: T201
    for seed in bad:
        print(f"repeat it: python -m benchmarks.spool_kills --rounds 1 --seed {seed} --keep DIR")  # noqa: T201
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

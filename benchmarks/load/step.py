"""What one step of the load test saw, made from its folder alone: a row of the table, and whether it holds."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OFFERED_SHARE_MIN = 0.95
"""Below it the generator did not make the load that was asked for: INCONCLUSIVE."""
ON_TIME_SECONDS = 1.0
"""A request that is put later than so after its due time was not offered on schedule."""
LATENCY_P99_SECONDS_MAX = 1.0
"""Above it a step does not hold: a tenth of the interval, far above what an idle Collector takes."""
NEIGHBOURS_SHARE_MAX = 0.25
"""Where others took more of the machine, a slow answer says nothing of the Collector."""
_MIB = 1024 * 1024
REFUSED = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}


@dataclass(frozen=True, slots=True)
class Order:
    """What a step was asked to do; ``step.json`` of its folder."""

    kind: str
    """step | killed | herd"""
    sidecars: int
    collectors: int
    interval_seconds: float
    ticks: int
    backlog: int
    begins: float
    """Wall clock, seconds since 1970, of the first due request."""
    cpus: int = 0
    """Processors that there were; 0: nobody looked."""
    recovers: float | None = None
    """When the Collector that was killed, or was away, answered again."""
    commit: str | None = None
    """Of the source tree; None: nobody looked, or it is no repository."""

    @property
    def ends(self) -> float:
        """When the last request is due."""
        return self.begins + self.ticks * self.interval_seconds


@dataclass(frozen=True, slots=True)
class Row:
    """A step as the table has it. Times are from due to answered, in seconds."""

    name: str
    kind: str
    sidecars: int
    collectors: int
    asked: int
    """Requests that were due within the step, the backlog included."""
    offered_share: float
    """Of those due, put on schedule."""
    delivered: int
    lost: int
    errors: int
    """Calls without an answer."""
    refused: int
    """Calls that were answered with UNAVAILABLE or RESOURCE_EXHAUSTED."""
    p50_seconds: float | None
    p99_seconds: float | None
    calls_a_second_max: int
    """In the busiest second."""
    recovery_seconds: float | None
    """From the Collector's return until all that had waited was delivered."""
    collector_cpu_percent: float | None
    """Of one core, all Collectors together."""
    collector_rss_mib: float | None
    """The largest of them, at its highest."""
    generator_cpu_percent: float | None
    prometheus_cpu_percent: float | None
    machine_cpu_percent: float | None
    """Of one core, everything that ran: neighbours of the test show here."""
    series: int | None
    verdict: str
    """PASS | FAIL | INCONCLUSIVE"""
    reason: str
    p99_first_seconds: float | None = None
    """Of what was due in the first interval, in which all connect."""
    p99_later_seconds: float | None = None
    """Of what was due after it."""
    generator_first_cpu_percent: float | None = None
    """In the first interval, of one core, which is all that its one process can take."""


def row_of(folder: Path) -> Row:
    """Make the row of a step's folder.

    Raises:
        OSError: it lacks a file.
        ValueError: one of them is damaged.
    """
    told = json.loads((folder / "step.json").read_text(encoding="utf-8"))
    series = told.pop("series", None)
    order = Order(**told)
    calls = [line for path in sorted(folder.glob("calls-*.jsonl")) for line in _lines(path)]
    sidecars = [line for path in sorted(folder.glob("sidecars-*.jsonl")) for line in _lines(path)]
    answered = [(due, ended - due) for _, _, ended, _, _, dues in calls for due in dues if due >= order.begins]
    connected = order.begins + order.interval_seconds
    answers = sorted(seconds for _, seconds in answered)
    statuses = Counter(status for _, _, _, status, _, _ in calls)
    late = [seconds for line in sidecars for seconds in line["late"]]
    asked = order.sidecars * (order.ticks + order.backlog)
    on_time = sum(seconds <= ON_TIME_SECONDS for seconds in late)
    offered = on_time / (order.sidecars * order.ticks) if order.ticks else 1.0
    delivered = sum(line["delivered"] for line in sidecars)
    spent = _spent(folder / "samples.jsonl", order.begins, order.ends)
    first = _spent(folder / "samples.jsonl", order.begins, connected)
    figures: dict[str, Any] = {
        "asked": asked,
        "offered_share": offered,
        "delivered": delivered,
        "lost": asked - delivered,
        "errors": statuses["NO_ANSWER"],
        "refused": sum(statuses[status] for status in REFUSED),
        "p50_seconds": _rank(answers, 0.5),
        "p99_seconds": _rank(answers, 0.99),
        "p99_first_seconds": _rank(sorted(seconds for due, seconds in answered if due < connected), 0.99),
        "p99_later_seconds": _rank(sorted(seconds for due, seconds in answered if due >= connected), 0.99),
        "calls_a_second_max": max(Counter(int(ended) for _, _, ended, *_ in calls).values(), default=0),
        "recovery_seconds": _recovery(calls, order),
        "series": series,
        "generator_first_cpu_percent": first["generator_cpu_percent"],
    }
    verdict, reason = judged(order, figures, ended=len(sidecars), neighbours_share=_neighbours_share(spent, order))
    about: dict[str, Any] = {"name": folder.name, "kind": order.kind, "verdict": verdict, "reason": reason}
    return Row(sidecars=order.sidecars, collectors=order.collectors, **about, **figures, **spent)


def judged(order: Order, figures: dict[str, Any], *, ended: int, neighbours_share: float = 0.0) -> tuple[str, str]:
    """Say whether a step holds. What was not offered, or had no machine to run on, cannot fail."""
    if ended < order.sidecars:
        return "INCONCLUSIVE", f"only {ended} of {order.sidecars} sidecars came to their end."
    if figures["offered_share"] < OFFERED_SHARE_MIN:
        return "INCONCLUSIVE", f"only {100 * figures['offered_share']:.0f} % of the asked rate was offered in time."
    if figures["lost"]:
        return "FAIL", f"{figures['lost']} of {figures['asked']} requests were not delivered."
    if order.kind == "step" and (trouble := _trouble(figures)):
        if neighbours_share > NEIGHBOURS_SHARE_MAX:
            return (
                "INCONCLUSIVE",
                f"{trouble} Neighbours of the test took {100 * neighbours_share:.0f} % of the machine.",
            )
        return "FAIL", trouble
    return "PASS", "All was offered in time and delivered."


def _trouble(figures: dict[str, Any]) -> str:
    """Say what a step that nobody disturbs must not have; empty: nothing of it."""
    if figures["errors"] or figures["refused"]:
        return f"{figures['errors']} calls had no answer, {figures['refused']} were refused."
    p99 = figures["p99_seconds"]
    if p99 is None or p99 > LATENCY_P99_SECONDS_MAX:
        return f"p99 is {'unknown' if p99 is None else f'{p99:.2f} s'}; {LATENCY_P99_SECONDS_MAX:g} s is the limit."
    return ""


def _neighbours_share(spent: dict[str, Any], order: Order) -> float:
    """What others than the test took of all processors."""
    if not order.cpus or spent["machine_cpu_percent"] is None:
        return 0.0
    ours = sum(
        spent[key] or 0.0 for key in ("collector_cpu_percent", "generator_cpu_percent", "prometheus_cpu_percent")
    )
    return max(0.0, float(spent["machine_cpu_percent"]) - ours) / (100 * order.cpus)


def _recovery(calls: Sequence[Any], order: Order) -> float | None:
    """Until the last of what was due before the Collector's return was answered."""
    if order.recovers is None:
        return None
    since = order.recovers
    waited = [ended for _, _, ended, _, _, dues in calls if ended >= since and any(due < since for due in dues)]
    return max(waited) - since if waited else None


def _spent(path: Path, begins: float, ends: float) -> dict[str, Any]:
    """CPU and memory by who it was, between two times of the wall clock."""
    by_process: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    for line in _lines(path):
        if begins <= line["t"] <= ends:
            by_process[line["role"], line["pid"]].append((line["t"], line["cpu_seconds"], line["rss_bytes"]))
    cpu: dict[str, float] = defaultdict(float)
    rss: dict[str, float] = defaultdict(float)
    for (role, _), samples in by_process.items():
        who = role.partition("-")[0]
        if samples[-1][0] > samples[0][0]:
            seconds = max(samples[-1][0] - samples[0][0], ends - begins)
            cpu[who] += 100 * (samples[-1][1] - samples[0][1]) / seconds
        rss[who] = max(rss[who], max(size for _, _, size in samples) / _MIB)
    return {
        "collector_cpu_percent": cpu.get("collector"),
        "collector_rss_mib": rss.get("collector"),
        "generator_cpu_percent": cpu.get("locust"),
        "prometheus_cpu_percent": cpu.get("prometheus"),
        "machine_cpu_percent": cpu.get("machine"),
    }


def _rank(ranked: Sequence[float], share: float) -> float | None:
    return ranked[math.ceil(share * len(ranked)) - 1] if ranked else None


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def knee(rows: Sequence[Row]) -> str:
    """Say in a sentence how far one Collector carries, and what the limit is there."""
    steps = sorted((row for row in rows if row.kind == "step" and row.collectors == 1), key=lambda row: row.sidecars)
    held: Row | None = None
    for row in steps:
        if row.verdict != "PASS":
            before = f"{held.sidecars} sidecars hold" if held else "no step holds"
            not_so = "do not" if row.verdict == "FAIL" else "are not decided"
            return f"With one Collector {before}; {row.sidecars} {not_so}: {row.reason} {_limit(row)}"
        held = row
    return f"With one Collector {held.sidecars} sidecars hold, the most that was tried. {_limit(held)}" if held else ""


def _limit(row: Row) -> str:
    shares = {
        "the Collector": row.collector_cpu_percent,
        "the generator": row.generator_cpu_percent,
        "Prometheus": row.prometheus_cpu_percent,
        "the whole machine": row.machine_cpu_percent,
    }
    told = ", ".join(f"{who} took {cpu:.0f} %" for who, cpu in shares.items() if cpu is not None)
    return " ".join([*([f"There {told} of one core."] if told else []), *_connecting(row)])


def _connecting(row: Row) -> Iterator[str]:
    """Tell the first interval, in which each sidecar connects, from the others."""
    first, later, cpu = row.p99_first_seconds, row.p99_later_seconds, row.generator_first_cpu_percent
    if first is not None and later is not None and cpu is not None:
        yield (
            f"p99 was {first:.2f} s in the first interval, in which each connects and the generator, one process, took "
            f"{cpu:.0f} % of a core, and {later:.2f} s after it."
        )


def as_dict(row: Row) -> dict[str, Any]:
    """Return a row as JSON has it."""
    return asdict(row)


HEAD = (
    "| step | sidecars | Collectors | offered | p50 | p99 | errors | refused | lost | recovered in | calls/s at most | "
    "p99 once connected | Collector CPU | Collector RSS | generator CPU | machine CPU | series | verdict |\n"
    f"|---|{'---:|' * 16}---|\n"
)


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table of the steps."""

    def number(value: float | None, form: str) -> str:
        return "-" if value is None else form.format(value)

    lines = [
        f"| {row.name} | {row.sidecars} | {row.collectors} | {100 * row.offered_share:.1f} % "
        f"| {number(row.p50_seconds, '{:.3f} s')} | {number(row.p99_seconds, '{:.3f} s')} "
        f"| {row.errors} | {row.refused} | {row.lost} | {number(row.recovery_seconds, '{:.1f} s')} "
        f"| {row.calls_a_second_max} | {number(row.p99_later_seconds, '{:.3f} s')} "
        f"| {number(row.collector_cpu_percent, '{:.0f} %')} "
        f"| {number(row.collector_rss_mib, '{:.0f} MiB')} | {number(row.generator_cpu_percent, '{:.0f} %')} "
        f"| {number(row.machine_cpu_percent, '{:.0f} %')} | {number(row.series, '{}')} | {row.verdict} |\n"
        for row in rows
    ]
    return HEAD + "".join(lines)

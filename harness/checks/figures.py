"""Figures of the bridge as mean, p50, p95, p99, max, or slope by equal blocks, over named phases.

Each figure is a way to get samples from a record; each check here is one figure and one statistic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from harness.checks import statistics
from harness.checks.arrivals import arrivals
from harness.checks.contract import Check, Measure
from harness.checks.latency import ages
from harness.checks.resources import of_bridge
from harness.checks.spans import Span, by_lives, inside, judged
from harness.checks.statistics import Samples
from harness.promises import Unit
from harness.record import RunRecord
from harness.samples import ResourceSample
from harness.scenario import CheckSpec

_MIB = 1024 * 1024
_HOUR_SECONDS = 3600.0
_SWITCHES_WINDOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that has a value at many moments."""

    name: str
    what: str
    unit: Unit
    samples: Callable[[RunRecord, tuple[Span, ...]], list[tuple[float, float]]]
    alone: bool = False
    """It suffers from neighbours."""
    growth_unit: Unit | None = None
    """Of its growth by blocks."""
    growth_floor: float = 0.0
    """From one block to the next, in the figure's unit: less is no growth."""


Taken = Callable[[RunRecord, tuple[Span, ...]], list[tuple[float, float]]]


def _of_samples(value: Callable[[ResourceSample], float | None]) -> Taken:
    def samples(record: RunRecord, spans: tuple[Span, ...]) -> list[tuple[float, float]]:
        found = ((sample.t, value(sample)) for sample in of_bridge(record) if inside(spans, sample.t))
        return [(t, one) for t, one in found if one is not None]

    return samples


def _mib(count: int | None) -> float | None:
    return None if count is None else count / _MIB


def _switches(record: RunRecord, spans: tuple[Span, ...]) -> list[tuple[float, float]]:
    """Context switches a second, both kinds, over windows of 5 s."""
    found = []
    for span in by_lives(record, "bridge", spans):
        inner = [one for one in of_bridge(record) if span.holds(one.t) and one.voluntary_switches is not None]
        first = inner[0] if inner else None
        for sample in inner:
            assert first is not None  # noqa: S101 - there is a sample; for the type checker
            if sample.t - first.t >= _SWITCHES_WINDOW_SECONDS:
                found.append((sample.t, (_both(sample) - _both(first)) / (sample.t - first.t)))
                first = sample
    return found


def _both(sample: ResourceSample) -> int:
    return (sample.voluntary_switches or 0) + (sample.involuntary_switches or 0)


def _latencies(record: RunRecord, spans: tuple[Span, ...]) -> list[tuple[float, float]]:
    """From a write to its first arrival, of writes that arrived."""
    first: dict[int, tuple[float, float]] = {}
    for arrival in arrivals(record):
        if arrival.write is not None and arrival.index is not None and inside(spans, arrival.write.t):
            first.setdefault(arrival.index, (arrival.write.t, max(0.0, arrival.t - arrival.write.t)))
    return sorted(first.values())


def _ages(record: RunRecord, spans: tuple[Span, ...]) -> list[tuple[float, float]]:
    if not any(arrival.index is not None for arrival in arrivals(record)):
        return []
    return [(now, age) for now, age, _ in ages(record, spans)]


def _memory(name: str, what: str, value: Callable[[ResourceSample], float | None]) -> Figure:
    """Memory grows by pages: what is below the floor from one block to the next is no growth."""
    return Figure(name, what, "MiB", _of_samples(value), alone=True, growth_unit="MiB/h", growth_floor=0.05)


RSS = _memory("rss", "resident memory", lambda one: one.rss_bytes / _MIB)
PSS = _memory("pss", "memory by proportional share", lambda one: _mib(one.pss_bytes))
USS = _memory("uss", "memory that nobody else has", lambda one: _mib(one.uss_bytes))
THREADS = Figure("threads", "threads", "threads", _of_samples(lambda one: one.threads), growth_unit="threads/h")
FDS = Figure("fds", "open descriptors", "descriptors", _of_samples(lambda one: one.fds), growth_unit="descriptors/h")
SWITCHES = Figure("switches", "context switches, windows of 5 s", "switches/s", _switches, alone=True)
LATENCY = Figure("arrival-latency", "from a write to its first arrival", "s", _latencies)
AGE = Figure("age-of-information", "age of the newest value at the sink, every 50 ms", "s", _ages)


def _statistic(figure: Figure, name: str, record: RunRecord, spec: CheckSpec) -> Measure:
    samples = figure.samples(record, judged(record, spec))
    if not samples:
        return Measure(None, 0, f"no figure of {figure.what} in the judged phases")
    value, t = _STATISTICS[name](samples)
    evidence = f"{figure.what}: {name} {value:.4g} {figure.unit} of {len(samples)} samples, at {t:.1f} s"
    return Measure(value, len(samples), evidence, t)


def _slope(figure: Figure, record: RunRecord, spec: CheckSpec) -> Measure:
    """The least growth from one equal block to the next, an hour; the worst of the judged stretches."""
    worst: Measure | None = None
    for span in by_lives(record, "bridge", judged(record, spec)):
        samples = figure.samples(record, (span,))
        medians = statistics.medians_of_blocks(samples)
        if medians is None:
            continue
        block_seconds = (samples[-1][0] - samples[0][0]) / len(medians)
        grown = statistics.least_growth(medians, floor=figure.growth_floor) * _HOUR_SECONDS / block_seconds
        blocks = ", ".join(f"{one:.4g}" for one in medians)
        evidence = (
            f"{figure.what} in blocks of {block_seconds:.0f} s from {samples[0][0]:.1f} s: {blocks} {figure.unit}"
        )
        found = Measure(grown, len(samples), evidence, samples[0][0])
        worst = found if worst is None or grown > (worst.value or 0.0) else worst
    least = f"{statistics.SLOPE_BLOCKS} blocks of {statistics.SAMPLES_A_BLOCK_MIN} samples"
    seconds = statistics.SLOPE_SECONDS_MIN
    return worst or Measure(None, 0, f"{figure.what}: no judged stretch of {seconds:g} s or more has {least}")


_STATISTICS: dict[str, Callable[[Samples], tuple[float, float]]] = {
    "mean": statistics.mean,
    "p50": partial(statistics.percentile, share=0.50),
    "p95": partial(statistics.percentile, share=0.95),
    "p99": partial(statistics.percentile, share=0.99),
    "max": statistics.largest,
}
_SAMPLES_MIN = 10
_ELSEWHERE = {("rss", "p95"), ("arrival-latency", "p99"), ("age-of-information", "max")}
"""Checks that there are under names of their own: rss-p95, arrival-latency, age-of-information."""


def _checks() -> Iterator[Check]:
    for figure in (RSS, PSS, USS, THREADS, FDS, SWITCHES, LATENCY, AGE):
        for name in _STATISTICS:
            if (figure.name, name) not in _ELSEWHERE:
                yield Check(
                    f"{figure.name}-{name}",
                    f"{figure.what}, {name}",
                    figure.unit,
                    partial(_statistic, figure, name),
                    samples_min=3 if figure is SWITCHES else _SAMPLES_MIN,
                    whole_run=False,
                    alone=figure.alone,
                )
        if figure.growth_unit is not None:
            yield Check(
                f"{figure.name}-slope",
                f"{figure.what}: least growth from one of {statistics.SLOPE_BLOCKS} equal blocks to the next",
                figure.growth_unit,
                partial(_slope, figure),
                samples_min=statistics.SLOPE_BLOCKS * statistics.SAMPLES_A_BLOCK_MIN,
                whole_run=False,
            )


CHECKS = tuple(_checks())

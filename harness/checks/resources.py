"""CPU, memory and network of the bridge under test."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.checks.contract import Check, Measure
from harness.checks.spans import Span, by_lives, inside, judged
from harness.record import RunRecord
from harness.samples import ResourceSample, WireSample
from harness.scenario import CheckSpec

WINDOW_SECONDS = 10.0
"""CPU ticks are 10 ms: shorter windows measure the tick, not the process."""
_MIB = 1024 * 1024
_MB = 1000 * 1000
_PERCENTILE = 0.95


def of_bridge(record: RunRecord) -> list[ResourceSample]:
    """Return the samples of the bridge's process tree."""
    return [sample for sample in record.resources if sample.role == "bridge"]


def cpu_percent(record: RunRecord, spec: CheckSpec) -> Measure:
    """Percent of one core in the worst window of at least 10 s, from cumulative CPU time."""
    windows: list[tuple[float, float, float]] = []
    count = 0
    of_cgroup = [sample for sample in of_bridge(record) if sample.cgroup_cpu_seconds is not None]
    for span in by_lives(record, "bridge", judged(record, spec)):
        samples = [sample for sample in of_cgroup or of_bridge(record) if span.holds(sample.t)]
        found = _windows(samples)
        windows += found
        count += len(samples) if found else 0
    if not windows:
        return Measure(None, 0, f"no window of {WINDOW_SECONDS:g} s has CPU figures of the bridge")
    percent, start, end = max(windows)
    evidence = f"the worst window, {start:.1f} s to {end:.1f} s, took {percent:.2f} % of one core"
    evidence += " by the container's own count" if of_cgroup else ""
    return Measure(percent, count, evidence, start)


def _windows(samples: Sequence[ResourceSample]) -> list[tuple[float, float, float]]:
    """Return (percent, start, end) of the shortest window of at least 10 s from each sample on."""
    windows: list[tuple[float, float, float]] = []
    last = 0
    for first in samples:
        while last < len(samples) and samples[last].t - first.t < WINDOW_SECONDS:
            last += 1
        if last == len(samples):
            break
        seconds = samples[last].t - first.t
        used = _cpu_seconds(samples[last]) - _cpu_seconds(first)
        if used >= 0:  # it falls where the process was replaced: such a window says nothing
            windows.append((100 * used / seconds, first.t, samples[last].t))
    return windows


def _cpu_seconds(sample: ResourceSample) -> float:
    return sample.cpu_seconds if sample.cgroup_cpu_seconds is None else sample.cgroup_cpu_seconds


def _resident_bytes(sample: ResourceSample) -> int:
    """In a container the larger of both counts: of files that others read first the group is charged with nothing."""
    return max(sample.rss_bytes, sample.cgroup_memory_bytes or 0)


def _peak_bytes(sample: ResourceSample) -> int:
    return max(sample.peak_rss_bytes, sample.cgroup_memory_peak_bytes or 0)


def _whose(found: int, cgroup_bytes: int | None) -> str:
    """Say which of the two counts a figure is, where there are two."""
    if cgroup_bytes is None:
        return ""
    return " of the container's memory" if found == cgroup_bytes else " of the process' own memory"


def rss_p95(record: RunRecord, spec: CheckSpec) -> Measure:
    """95th percentile (nearest rank) of resident memory, MiB."""
    spans = judged(record, spec)
    samples = sorted((s for s in of_bridge(record) if inside(spans, s.t)), key=_resident_bytes)
    if not samples:
        return Measure(None, 0, "no memory figure of the bridge in the judged phases")
    ranked = samples[math.ceil(_PERCENTILE * len(samples)) - 1]
    mib = _resident_bytes(ranked) / _MIB
    whose = _whose(_resident_bytes(ranked), ranked.cgroup_memory_bytes)
    evidence = f"95 % of the samples are at or below {mib:.2f} MiB{whose}, reached at {ranked.t:.1f} s"
    return Measure(mib, len(samples), evidence, ranked.t)


def rss_peak(record: RunRecord, _spec: CheckSpec) -> Measure:
    """Highest resident memory of the whole run by the kernel's own mark (VmHWM), MB of 10^6 bytes."""
    samples = of_bridge(record)
    if not samples:
        return Measure(None, 0, "no memory figure of the bridge")
    worst = max(samples, key=_peak_bytes)
    mb = _peak_bytes(worst) / _MB
    whose = _whose(_peak_bytes(worst), worst.cgroup_memory_peak_bytes)
    return Measure(mb, len(samples), f"the peak was {mb:.2f} MB{whose}, reached by {worst.t:.1f} s", worst.t)


def network_rate(record: RunRecord, spec: CheckSpec) -> Measure:
    """Bytes on the wire, headers of TCP and IP included, both directions, over the busiest judged stretch, Mbit/s."""
    rates: list[tuple[float, Span]] = []
    count = 0
    for span in judged(record, spec):
        samples = [sample for sample in record.wire if span.holds(sample.t)]
        if len(samples) > 1 and samples[-1].t > samples[0].t:
            count += len(samples)
            rates.append((_mbit_per_second(samples[0], samples[-1]), Span(samples[0].t, samples[-1].t)))
    if not rates:
        return Measure(None, 0, "no two figures of the bytes on the wire in one judged stretch")
    rate, span = max(rates, key=lambda pair: pair[0])
    headers = "" if record.wire[-1].sent_header_bytes is None else ", headers of TCP and IP included"
    return Measure(rate, count, f"{rate:.4f} Mbit/s from {span.start:.1f} s to {span.end:.1f} s{headers}", span.start)


def _on_the_wire(sample: WireSample) -> int:
    """Old records, and kernels that do not tell, have the payload only."""
    return (
        sample.sent_bytes
        + sample.received_bytes
        + (sample.sent_header_bytes or 0)
        + (sample.received_header_bytes or 0)
    )


def _mbit_per_second(first: WireSample, last: WireSample) -> float:
    moved = _on_the_wire(last) - _on_the_wire(first)
    return moved * 8 / 1_000_000 / (last.t - first.t)


CHECKS = (
    Check(
        "cpu-percent",
        "CPU time of the process tree, worst window of at least 10 s",
        "% of one core",
        cpu_percent,
        samples_min=5,
        whole_run=False,
        alone=True,
    ),
    Check("rss-p95", "resident memory, 95th percentile", "MiB", rss_p95, samples_min=10, whole_run=False, alone=True),
    Check(
        "rss-peak",
        "resident memory, the kernel's own peak, start-up included",
        "MB",
        rss_peak,
        samples_min=3,
    ),
    Check(
        "network-rate",
        "bytes on the wire, headers of TCP and IP included, both directions",
        "Mbit/s",
        network_rate,
        samples_min=5,
        whole_run=False,
    ),
)

"""What the checks make of a bridge in a container: its control group's figures, and its memory limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict
from harness.record import ResourceSample
from tests.harness.histories import MIB, good, process, samples, spec


def in_container(
    of: tuple[ResourceSample, ...],
    *,
    cpu_percent: float = 0.4,
    memory_mib: float = 20.0,
    peak_mib: float = 30.0,
) -> tuple[ResourceSample, ...]:
    return tuple(
        replace(
            sample,
            cgroup_cpu_seconds=10 + sample.t * cpu_percent / 100,
            cgroup_memory_bytes=int(memory_mib * MIB),
            cgroup_memory_peak_bytes=int(peak_mib * MIB),
            cgroup_memory_limit_bytes=64 * MIB,
            cgroup_throttled_seconds=0.0,
        )
        for sample in of
    )


def judged(check: str, promise: str, resources: tuple[ResourceSample, ...]) -> CheckResult:
    return CHECKS[check].judge(good(resources=resources), spec(check, promise), promises.load().budget(promise, check))


def test_cpu_is_what_the_container_used_and_not_its_one_process():
    result = judged("cpu-percent", "cpu-steady", in_container(samples(cpu_percent=0.3), cpu_percent=6.0))
    assert result.verdict is Verdict.FAIL
    assert result.measured == pytest.approx(6.0, abs=0.01)
    assert "by the container's own count" in result.reason


def test_a_sample_without_the_containers_count_is_not_mixed_with_those_that_have_it():
    all_of_them = in_container(samples(cpu_percent=0.3), cpu_percent=0.4)
    late = replace(all_of_them[0], cgroup_cpu_seconds=None)
    result = judged("cpu-percent", "cpu-steady", (late, *all_of_them[1:]))
    assert result.measured == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    ("rss_mib", "memory_mib", "whose"),
    [(20.0, 50.5, "of the container's memory"), (50.5, 20.0, "of the process' own memory")],
)
def test_memory_is_the_larger_of_both_counts(rss_mib: float, memory_mib: float, whose: str):
    result = judged("rss-p95", "memory-steady", in_container(samples(rss_mib=rss_mib), memory_mib=memory_mib))
    assert result.verdict is Verdict.FAIL
    assert result.measured == pytest.approx(50.5, abs=0.01)
    assert whose in result.reason


def test_the_peak_is_the_containers_where_that_is_more():
    result = judged("rss-peak", "memory-peak", in_container(samples(peak_mib=26.0), peak_mib=97.0))
    assert result.verdict is Verdict.FAIL
    assert "of the container's memory" in result.reason


def test_without_a_container_nothing_is_said_of_one():
    for check, promise in (("rss-p95", "memory-steady"), ("rss-peak", "memory-peak"), ("cpu-percent", "cpu-steady")):
        assert "container" not in judged(check, promise, samples()).reason


KILLED = {"exit_code": -9, "out_of_memory": True, "memory_limit_bytes": 16 * MIB}


@pytest.mark.parametrize(
    ("peak", "said"),
    [
        (16 * MIB, "was killed by the memory limit of 16.0 MiB (its peak was 16.0 MiB) at 7.5 s"),
        (None, "was killed by the memory limit of 16.0 MiB (its peak could not be read any more) at 7.5 s"),
    ],
)
def test_an_end_by_the_memory_limit_is_told_from_other_ends(peak: int | None, said: str):
    events = (process(1.0, "ready"), process(7.5, "exited", **KILLED, memory_peak_bytes=peak))
    check: Callable[[str], CheckResult] = lambda name: CHECKS[name].judge(  # noqa: E731 - two lines need it
        good(events=events), spec(name, "shutdown"), promises.load().budget("shutdown", name)
    )
    assert check("alive").verdict is Verdict.FAIL
    assert said in check("alive").reason
    assert "before it was asked to, killed by the memory limit of 16.0 MiB" in check("exit-clean").reason


def test_a_kill_by_somebody_else_is_no_end_by_the_memory_limit():
    events = (process(1.0, "ready"), process(7.5, "exited", exit_code=-9))
    result = CHECKS["alive"].judge(good(events=events), spec("alive", "shutdown"), None)
    assert result.verdict is Verdict.FAIL
    assert "memory" not in result.reason

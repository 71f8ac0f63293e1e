"""Statistics over named phases, growth by blocks, the return after a fault, and log lines, on histories by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness import promises
from harness.checks import CHECKS, CheckResult, Verdict, figures
from harness.record import Phase, RunRecord
from harness.samples import ResourceSample
from harness.started import CUT_OFF
from tests.harness.histories import MIB, export, good, logged, long, outage, samples, spec


def promise_of(check: str) -> str:
    return next(name for name, promise in promises.load().promises.items() if check in promise.budgets)


def judged(check: str, record: RunRecord, promise: str = "soak", **more: object) -> CheckResult:
    budget = promises.load().budget(promise, check)
    return CHECKS[check].judge(record, spec(check, promise, **more), budget)


def _late() -> RunRecord:
    """Each value arrives 34 s after its write: beyond every limit of latency."""
    writes = long().ledger.writes
    seen = tuple(export(one.t + 34, [one]) for one in writes if one.t < 54)
    return replace(long(), exports=seen)


def _stale() -> RunRecord:
    """The newest value is more than 32 s old at every judged moment."""
    return replace(_late(), phases=(Phase("steady-1", "steady", 36.0, 88.0),))


def _switching(number: int, one: ResourceSample) -> ResourceSample:
    return replace(one, voluntary_switches=number * 300, involuntary_switches=0)  # 1200 a second


BAD_OF: dict[str, Callable[[], RunRecord]] = {
    "rss": lambda: long(lambda _, one: replace(one, rss_bytes=51 * MIB)),
    "pss": lambda: long(lambda _, one: replace(one, pss_bytes=51 * MIB)),
    "uss": lambda: long(lambda _, one: replace(one, uss_bytes=51 * MIB)),
    "threads": lambda: long(lambda _, one: replace(one, threads=33)),
    "fds": lambda: long(lambda _, one: replace(one, fds=65)),
    "switches": lambda: long(_switching),
    "arrival-latency": _late,
    "age-of-information": _stale,
}
"""What is beyond the limit all the time, so that each statistic of the figure is. Slopes: see LEAKS."""
OF_ONE_FIGURE = [
    (figure, check.name)
    for check in figures.CHECKS
    for figure in BAD_OF
    if check.name.startswith(f"{figure}-") and not check.name.endswith("-slope")
]


@pytest.mark.parametrize(("figure", "check"), OF_ONE_FIGURE)
def test_every_statistic_of_what_is_beyond_its_limit_fails(figure: str, check: str):
    result = judged(check, BAD_OF[figure](), promise_of(check))
    assert result.verdict is Verdict.FAIL, result
    assert result.at_seconds is not None


def test_every_check_of_a_figure_has_a_bad_history():
    slopes = [check for check, _ in LEAKS]
    assert sorted([*slopes, *(check for _, check in OF_ONE_FIGURE)]) == sorted(one.name for one in figures.CHECKS)


def with_samples(change: Callable[[ResourceSample], ResourceSample], record: RunRecord | None = None) -> RunRecord:
    record = record or good()
    return replace(record, resources=tuple(map(change, record.resources)))


@pytest.mark.parametrize(
    ("check", "expected"), [("rss-mean", 25.5), ("rss-p50", 25.0), ("rss-p99", 26.0), ("rss-max", 26.0)]
)
def test_statistics_of_memory_are_in_mib_and_of_the_judged_phases_only(check: str, expected: float):
    inside = [one for one in samples() if 2.0 <= one.t <= 17.9]
    high = {one.t for one in inside[1::2]}
    record = with_samples(
        lambda one: replace(one, rss_bytes=int((26 if one.t in high else 25 if one.t >= 2.0 else 900) * MIB))
    )
    result = judged(check, record, "memory-steady")
    assert result.verdict is Verdict.PASS
    assert result.measured == pytest.approx(expected, abs=0.02)


def test_a_phase_can_be_named():
    record = with_samples(lambda one: replace(one, rss_bytes=(60 if one.t < 2 else 25) * MIB))
    assert judged("rss-max", record, "memory-steady").verdict is Verdict.PASS
    assert judged("rss-max", record, "memory-steady", during=["warm-up"], samples_at_least=1).samples == 5
    named = judged("rss-max", record, "memory-steady", during=["warm-up", "steady-1"])
    assert named.verdict is Verdict.FAIL
    assert "60" in named.reason


@pytest.mark.parametrize("check", ["pss-p95", "uss-p95", "switches-mean"])
def test_what_an_old_record_does_not_hold_is_no_pass(check: str):
    promise = "soak" if check == "switches-mean" else "memory-steady"
    result = judged(check, good(), promise)
    assert (result.verdict, result.samples) == (Verdict.INCONCLUSIVE, 0)


def test_switches_are_a_rate():
    record = with_samples(lambda one: replace(one, voluntary_switches=int(one.t * 100), involuntary_switches=0))
    assert judged("switches-mean", record).measured == pytest.approx(100, rel=0.02)
    polls = with_samples(lambda one: replace(one, voluntary_switches=0, involuntary_switches=int(one.t * 5000)))
    assert judged("switches-mean", polls).verdict is Verdict.FAIL


def test_statistics_of_latency_and_age_agree_with_each_other():
    record = good()
    names = [f"arrival-latency-{name}" for name in ("mean", "p50", "p95", "max")]
    found = {name: judged(name, record, "latency", samples_at_least=None) for name in names}
    assert all(found[name].samples == 8 for name in names)  # writes of the judged phases: too few for the default
    assert {found[name].verdict for name in names} == {Verdict.INCONCLUSIVE}
    ages = [judged(f"age-of-information-{name}", record, "latency").measured or 0 for name in ("p50", "p95", "p99")]
    assert ages == sorted(ages)
    assert 0 < ages[0] <= ages[-1] < 3.1


LEAKS: list[tuple[str, Callable[[int, ResourceSample], ResourceSample]]] = [
    ("rss-slope", lambda number, one: replace(one, rss_bytes=25 * MIB + number * 4096)),
    ("pss-slope", lambda number, one: replace(one, pss_bytes=25 * MIB + number * 4096)),
    ("uss-slope", lambda number, one: replace(one, uss_bytes=25 * MIB + number * 4096)),
    ("fds-slope", lambda number, one: replace(one, fds=8 + number // 60)),
    ("threads-slope", lambda number, one: replace(one, threads=2 + number // 60)),
]


@pytest.mark.parametrize(("check", "leak"), LEAKS)
def test_a_slow_leak_is_found_by_its_growth_in_every_block(
    check: str, leak: Callable[[int, ResourceSample], ResourceSample]
):
    result = judged(check, long(leak))
    assert result.verdict is Verdict.FAIL
    assert "in blocks of 17 s" in result.reason


@pytest.mark.parametrize(("check", "leak"), LEAKS)
def test_what_grows_once_and_stays_is_no_leak(check: str, leak: Callable[[int, ResourceSample], ResourceSample]):
    assert judged(check, long(lambda number, one: leak(min(number, 120), one))).verdict is Verdict.PASS


@pytest.mark.parametrize(("check", "leak"), LEAKS)
def test_a_short_run_tells_no_growth(check: str, leak: Callable[[int, ResourceSample], ResourceSample]):
    record = with_samples(lambda one: leak(int(one.t * 4), one))
    assert judged(check, record).verdict is Verdict.INCONCLUSIVE


def after_outage(late_until: float, lost: int = 1) -> RunRecord:
    """Healed at 12 s; a descriptor more than before until then."""
    return with_samples(lambda one: replace(one, fds=8 + (lost if 6 < one.t < late_until else 0)), outage())


@pytest.mark.parametrize(
    ("late_until", "verdict", "measured"),
    [(12.0, Verdict.PASS, 0.0), (13.0, Verdict.PASS, 1.0), (99.0, Verdict.FAIL, 6.0), (15.5, Verdict.FAIL, 6.0)],
)
def test_descriptors_return_after_a_fault_and_stay_for_so_long(late_until: float, verdict: Verdict, measured: float):
    result = judged("fds-return", after_outage(late_until), at_most=3, stable_for="3s")
    assert (result.verdict, result.measured) == (verdict, pytest.approx(measured)), result.reason


def test_a_return_that_does_not_last_is_none():
    record = with_samples(lambda one: replace(one, fds=9 if int(one.t) % 2 and one.t > 12 else 8), outage())
    assert judged("fds-return", record, at_most=2, stable_for="2s").verdict is Verdict.FAIL
    assert judged("fds-return", record, at_most=2, stable_for="500ms").verdict is Verdict.PASS


def test_what_is_lost_late_and_stays_lost_has_not_returned():
    """A bridge that connects late leaks late: 3 s of quiet after the heal at 12 s prove nothing."""
    record = with_samples(lambda one: replace(one, fds=9 if one.t > 15.2 else 8), outage())
    result = judged("fds-return", record, at_most=3, stable_for="2s")
    assert result.verdict is Verdict.FAIL, result.reason


def test_what_starting_took_is_no_measure_of_what_was_there_before():
    record = with_samples(lambda one: replace(one, fds=12 if one.t < 1.0 else 9 if one.t > 12 else 8), outage())
    assert judged("fds-return", record, at_most=2, stable_for="2s").verdict is Verdict.FAIL


def test_a_return_that_was_not_waited_for_long_enough_is_not_decided():
    assert judged("fds-return", after_outage(99.0), at_most=5).verdict is Verdict.INCONCLUSIVE
    assert judged("fds-return", after_outage(99.0)).verdict is Verdict.INCONCLUSIVE
    assert judged("fds-return", good(), at_most=1).verdict is Verdict.INCONCLUSIVE


def test_age_of_information_returns_to_what_it_was():
    assert judged("age-of-information-return", outage(), at_most=2).verdict is Verdict.PASS
    silent = replace(outage(), exports=tuple(one for one in outage().exports if one.t < 6))
    assert judged("age-of-information-return", silent, at_most=2).verdict is Verdict.FAIL


def test_a_line_that_must_not_stand_in_the_log_is_found_with_its_text():
    result = judged(
        "log-absent", logged("started", "Traceback (most recent call last):", "Traceback"), pattern="^Trace"
    )
    assert (result.verdict, result.measured) == (Verdict.FAIL, 2)
    assert "Traceback (most recent call last):" in result.reason
    assert judged("log-absent", logged("started", "a Traceback"), pattern="^Trace").verdict is Verdict.PASS
    assert judged("log-absent", good(bridge_log=()), pattern="^Trace").verdict is Verdict.PASS


def test_a_line_that_must_stand_in_the_log_is_missed():
    assert judged("log-present", logged("drained"), pattern="drained").verdict is Verdict.PASS
    assert judged("log-present", logged("started"), pattern="drained").verdict is Verdict.FAIL
    assert judged("log-present", good(bridge_log=()), pattern="drained").verdict is Verdict.FAIL


@pytest.mark.parametrize("check", ["log-absent", "log-present"])
def test_where_there_is_no_log_nobody_knows_what_stands_in_it(check: str):
    assert judged(check, good(bridge_log=None), pattern="drained").verdict is Verdict.INCONCLUSIVE


def test_a_log_that_was_cut_off_proves_no_absence():
    cut = f"{CUT_OFF} beyond 64 bytes was cut off here]"
    assert judged("log-absent", logged("started", cut), pattern="Trace").verdict is Verdict.INCONCLUSIVE
    assert judged("log-absent", logged("Trace", cut), pattern="Trace").verdict is Verdict.FAIL
    assert judged("log-present", logged("started", cut), pattern="drained").verdict is Verdict.INCONCLUSIVE
    assert judged("log-present", logged("drained", cut), pattern="drained").verdict is Verdict.PASS

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import cost
from harness.record import Event, Export, Ledger, Meta, Phase, Point, RunRecord, WireSample, Write
from harness.samples import ResourceSample

MIB = 1024 * 1024
META = Meta(1, "cost-1", "cost", "embedded", ("it",), 1, "", 0.0, {}, {}, complete=True, ended=60.0)
SCENARIO = {
    "name": "cost", "what": "Nothing is broken here.", "why": "It is a test of arithmetic.",
    "timeline": [{"steady": 30.0}],
    "checks": [{"check": "alive", "promise": "survives-bad-input"}], "bridge": {"interval": 1.0},
}  # fmt: skip


def process(t: float, action: str, **data: object) -> Event:
    return Event(t, "process", {"role": "bridge", "action": action, **data})


def sample(t: float, cpu_seconds: float, rss_mib: float, peak_mib: float = 0) -> ResourceSample:
    return ResourceSample(t, "bridge", cpu_seconds, int(rss_mib * MIB), int(peak_mib * MIB), 2, 9, 1)


def export(t: float, loss: float | None = None, *, answered: str = "OK", metric: str = "ml.training.loss") -> Export:
    return Export(t, answered, 100, {}, (Point(metric, "gauge", loss, int(t * 1e9), 0, {"job.id": "a"}),))


def write(number: int, t: float) -> Write:
    return Write(number, t, t, "", {"training_loss": float(number)}, "a")


RECORD = RunRecord(
    META,
    SCENARIO,
    events=(process(1.0, "started"), process(50.0, "signalled", signal="SIGTERM"), process(50.25, "exited")),
    phases=(Phase("warm-up", "warm-up", 2, 10), Phase("steady-1", "steady", 10, 40), Phase("drain", "drain", 50, 51)),
)


def test_cpu_is_that_of_the_steady_phase_alone():
    record = replace(RECORD, resources=(sample(2, 0.0, 1), sample(10, 5.0, 1), sample(40, 5.3, 1), sample(51, 9.0, 1)))
    assert cost.cpu_percent(record) == pytest.approx(1.0)


def test_the_peak_counts_the_start_too():
    record = replace(RECORD, resources=(sample(2, 0, 1, 40.0), sample(20, 0, 1, 30.0)))
    assert cost.peak_mib(record) == pytest.approx(40.0)


def test_the_start_ends_with_the_first_points_that_were_taken():
    record = replace(RECORD, exports=(export(1.5, answered="UNAVAILABLE"), export(1.75, 1.0)))
    assert cost.start_seconds(record) == pytest.approx(0.75)


def test_bytes_a_tick_are_of_both_directions():
    record = replace(RECORD, wire=(WireSample(10, 100, 10, 1), WireSample(40, 3100, 310, 1)))
    assert cost.bytes_a_tick(record) == pytest.approx(110.0)


def test_latency_is_from_the_write_to_its_first_arrival():
    ledger = Ledger(writes=(write(1, 12.0), write(2, 14.0), write(3, 16.0)), period_seconds=2.0)
    record = replace(
        RECORD, ledger=ledger, exports=(export(12.1, 1.0), export(13.0, 1.0), export(14.2, 2.0), export(16.5, 3.0))
    )
    assert cost.latency_seconds(0.5)(record) == pytest.approx(0.2)
    assert cost.latency_seconds(0.99)(record) == pytest.approx(0.5)


def test_only_series_of_the_nine_metrics_are_counted():
    record = replace(RECORD, exports=(export(12, 1.0), export(13, 2.0), export(14, 1.0, metric="ml.bridge.exports")))
    assert cost.series(record) == 1


def test_the_time_to_end_is_from_the_signal_to_the_exit():
    assert cost.end_seconds(RECORD) == pytest.approx(0.25)


def test_of_an_outage_only_its_own_writes_count():
    phases = (Phase("warm-up", "warm-up", 0, 10), Phase("outage", "fault", 10, 16), Phase("drain", "drain", 30, 31))
    ledger = Ledger(
        writes=tuple(write(number, 4.0 + 2 * number) for number in range(1, 10)), period_seconds=2.0, ended=30.0
    )
    record = replace(RECORD, phases=phases, ledger=ledger, exports=(export(6.1, 1.0), export(18.0, 4.0)))
    assert cost.outage_percent(record) == pytest.approx(100 / 4)


def test_recovery_is_from_the_heal_to_the_first_arrival_after_it():
    healed = Event(20.0, "fault", {"action": "heal", "ok": True})
    record = replace(RECORD, events=(healed,), exports=(export(12.0, 1.0), export(21.5, 2.0), export(22.0, 3.0)))
    assert cost.recovery_seconds(record) == pytest.approx(1.5)
    assert cost.recovery_seconds(replace(record, exports=record.exports[:1])) is None


def test_a_figure_without_samples_is_none_and_not_zero():
    nothing = RunRecord(META, SCENARIO)
    assert [column.measure(nothing) for column in cost.COLUMNS] == [None] * len(cost.COLUMNS)

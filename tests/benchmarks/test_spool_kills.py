"""Three rounds of the benchmark that kills the bridge in outages, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.spool_kills import Plan, Points, Result, judge, main, run_round
from harness.observers.otlp_points import points_of

SEEDS = (20001, 20003, 20004)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    root = tmp_path_factory.mktemp("kills")

    def one(seed: int) -> Result:
        folder = root / str(seed)
        folder.mkdir()
        return run_round(seed, folder)

    with ThreadPoolExecutor(len(SEEDS)) as pool:
        return list(pool.map(one, SEEDS))


def test_nothing_that_was_promised_is_missing_after_a_kill(results: list[Result]):
    assert [result.line() for result in results if not result.good] == []
    assert sum(result.promised for result in results) > 20


def test_first_deliveries_are_in_order_and_what_was_queued(results: list[Result]):
    assert sum(result.queued for result in results) > 50
    assert [(result.out_of_order, result.altered) for result in results] == [(0, 0)] * len(SEEDS)


def test_the_same_seed_draws_the_same_plan():
    assert Plan.draw(7) == Plan.draw(7) != Plan.draw(8)


def test_without_a_spool_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--rounds", "1", "--seed", "20001", "--keep", str(tmp_path / "kept"), "--without-spool"]) == 1
    said = capsys.readouterr().out
    assert "BAD seed 20001" in said
    assert "repeat it: python -m benchmarks.spool_kills --rounds 1 --seed 20001" in said


def request(tick: int) -> bytes:
    told = ExportMetricsServiceRequest()
    metric = told.resource_metrics.add().scope_metrics.add().metrics.add(name="ml.training.loss")
    metric.gauge.data_points.add(time_unix_nano=tick, as_double=0.5)
    return told.SerializeToString()


class Told:
    """Process 7 queues at 1, 2, ... 9 s; the trouble begins at 1.5 s; 7 is killed at 9.5 s. What arrived is given."""

    def __init__(self, **arrived_at: float) -> None:
        self._arrived_at = arrived_at

    def puts(self) -> list[tuple[int, float, bytes]]:
        return [(7, float(tick), request(tick)) for tick in range(1, 10)]

    def arrivals(self) -> list[tuple[float, Points]]:
        return [(t, points_of(request(int(tick.strip("_"))))[1]) for tick, t in self._arrived_at.items()]

    def judged(self) -> Result:
        result = Result(Plan.draw(1))
        judge(self, result, 1.5, {7: 9.5})
        return result


def test_what_was_queued_more_than_a_second_after_the_first_failed_call_is_promised():
    result = Told(_1=1.1, **{f"_{tick}": 20.0 for tick in range(2, 10)}).judged()
    assert (result.queued, result.promised, result.missing) == (9, 6, 0)


def test_it_is_missing_however_shortly_before_the_kill_it_was_queued():
    result = Told(_1=1.1, **{f"_{tick}": 20.0 for tick in range(2, 9)}).judged()
    assert (result.promised, result.missing, result.missing_age_seconds_max) == (6, 1, 0.5)


def test_an_outage_is_over_when_all_that_was_queued_before_has_arrived():
    result = Told(_1=1.1, **{f"_{tick}": 6.5 for tick in range(2, 7)}, _8=8.1).judged()
    assert (result.promised, result.missing) == (5, 1), "4 to 6; and 8 and 9, for 7 was still there"
    assert result.missing_else == 1


def test_what_arrives_in_another_order_or_otherwise_than_it_was_queued_is_counted():
    result = Told(_2=20.0, _1=21.0, _3=22.0).judged()
    assert (result.out_of_order, result.altered) == (1, 0)


def test_no_rounds_are_refused_and_no_success(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--rounds", "0"])
    assert ended.value.code == 2
    assert "--rounds" in capsys.readouterr().err

"""Three rounds of the benchmark that kills the bridge in outages, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.spool_kills import Plan, Result, main, run_round

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

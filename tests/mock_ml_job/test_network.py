from __future__ import annotations

import dataclasses

import pytest

from mock_ml_job.metrics import Metrics
from mock_ml_job.network import Digits

MEASURED_TIMES = {"processing_time_ms": 0.0, "samples_per_second": 0.0}


def timeless(metrics: Metrics) -> Metrics:
    return dataclasses.replace(metrics, **MEASURED_TIMES)


@pytest.fixture(scope="module")
def history() -> list[Metrics]:
    return list(Digits(seed=0, total_epochs=8, batches_per_epoch=30).batches())


def test_it_learns(history: list[Metrics]):
    first, last = history[0], history[-1]
    assert first.accuracy < 0.3
    assert last.accuracy > 0.95
    assert last.training_loss < first.training_loss / 10
    assert last.validation_loss < first.validation_loss / 10


def test_an_epoch_passes_once_through_the_training_images_in_batches_counted_from_1(history: list[Metrics]):
    assert [(metrics.epoch, metrics.batch_number) for metrics in history] == [
        (epoch, batch) for epoch in range(1, 9) for batch in range(1, 31)
    ]
    samples = [round(metrics.samples_per_second * metrics.processing_time_ms / 1000) for metrics in history[:30]]
    assert sum(samples) == 1437


def test_no_two_batches_have_the_same_loss(history: list[Metrics]):
    assert len({metrics.training_loss for metrics in history}) == len(history)


def test_the_learning_rate_falls_and_is_the_one_that_the_steps_were_made_with(history: list[Metrics]):
    rates = [metrics.learning_rate for metrics in history]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)
    digits = Digits(seed=0, total_epochs=2, batches_per_epoch=10)
    in_use = 0.2
    for metrics in digits.batches():
        assert metrics.learning_rate == pytest.approx(in_use, rel=1e-12)
        in_use = digits._network._optimizer.learning_rate


def test_there_is_no_gpu(history: list[Metrics]):
    assert all(metrics.gpu_utilization is None for metrics in history)


def test_the_figures_are_plain_python_numbers(history: list[Metrics]):
    kinds = {type(number) for metrics in history for number in dataclasses.asdict(metrics).values()}
    assert kinds == {int, float, type(None)}


def test_the_same_seed_gives_the_same_training_and_another_seed_another(history: list[Metrics]):
    def beginning(seed: int) -> list[Metrics]:
        return list(map(timeless, Digits(seed=seed, total_epochs=1, batches_per_epoch=30).batches()))

    assert beginning(0) == list(map(timeless, history[:30]))
    assert beginning(1) != beginning(0)

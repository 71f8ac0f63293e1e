from __future__ import annotations

import json
import struct
from dataclasses import asdict

import pytest

from mock_ml_job.metrics import Metrics
from mock_ml_job.mock import WRITES_MAX, Curves, states


@pytest.fixture(scope="module")
def curves() -> Curves:
    return Curves(seed=0, batches_per_epoch=100)


def spelled(loss: float) -> int:
    """The sequence number that a loss spells after its third decimal."""
    return round(loss * 10**11) % 10**8


def test_every_loss_spells_its_sequence_number_through_json_and_a_float64(curves: Curves):
    # What can be read back for every number is different for every number.
    for sequence in (*range(1, 2000), *range(2000, 10_000_000, 9973), 10_000_000, WRITES_MAX):
        loss = curves.at(sequence).training_loss
        assert spelled(json.loads(json.dumps(loss))) == sequence
        assert struct.unpack("<d", struct.pack("<d", loss)) == (loss,)


def test_the_first_state_is_epoch_1_batch_0_and_batches_start_at_1_in_each_epoch(curves: Curves):
    made = [(metrics.epoch, metrics.batch_number) for metrics in map(curves.at, range(1, 203))]
    first_epoch = [(1, batch) for batch in range(101)]
    assert made == [*first_epoch, *((2, batch) for batch in range(1, 101)), (3, 1)]


def test_a_job_has_one_state_before_its_batches_and_one_for_each():
    curves = Curves(seed=0, batches_per_epoch=3)
    made = list(states(curves, total_epochs=2, batches_per_epoch=3))
    assert len(made) == 7
    assert (made[-1].epoch, made[-1].batch_number) == (2, 3)


@pytest.mark.parametrize("seed", range(5))
def test_the_curves_are_plausible(seed: int):
    curves = Curves(seed=seed, batches_per_epoch=100)
    made = [curves.at(sequence) for sequence in (*range(1, 3000), 100_000, 10_000_000, WRITES_MAX)]
    assert all(0 < metrics.training_loss < 3 and 0 < metrics.validation_loss < 3 for metrics in made)
    assert all(0 < metrics.accuracy < 1 and 0 < (metrics.gpu_utilization or 0) < 1 for metrics in made)
    assert all(0 < metrics.learning_rate <= 0.1 for metrics in made)
    assert all(100 < metrics.processing_time_ms < 400 for metrics in made)
    assert all(
        metrics.samples_per_second == pytest.approx(32_000 / metrics.processing_time_ms, rel=1e-3) for metrics in made
    )


def test_the_losses_fall_and_the_accuracy_rises(curves: Curves):
    def mean(name: str, first: int) -> float:
        return sum(float(asdict(curves.at(first + step))[name]) for step in range(50)) / 50

    for earlier, later in ((1, 300), (300, 1000), (1000, 5000)):
        assert mean("training_loss", earlier) > mean("training_loss", later)
        assert mean("validation_loss", earlier) > mean("validation_loss", later)
        assert mean("accuracy", earlier) < mean("accuracy", later)


def test_the_same_seed_gives_the_same_curves_and_another_seed_others():
    def some(seed: int) -> list[Metrics]:
        curves = Curves(seed=seed, batches_per_epoch=100)
        return [curves.at(sequence) for sequence in range(1, 50)]

    assert some(3) == some(3)
    assert some(3) != some(4)


def test_the_losses_of_a_job_with_a_later_first_number_spell_on_from_there():
    later = Curves(seed=0, batches_per_epoch=100, first_number=500)
    assert [spelled(later.at(sequence).training_loss) for sequence in (1, 2)] == [500, 501]
    assert later.at(1).batch_number == 0

"""The mock job: made-up training curves, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from mock_ml_job.job import Job
from mock_ml_job.metrics import Metrics

WRITES_MAX = 99_999_999
"""More could not be told apart by their loss: see `Curves`."""

_SPELLED = 10 ** len(str(WRITES_MAX))
_SAMPLES_PER_BATCH = 32
_NOISES = (
    997  # prime, so that the fields below, which step through the table by different strides, do not move together
)


class Curves:
    """Plausible metrics for each write, by its sequence number.

    A delivery names its write: of a training loss, the first three decimals are the curve and the eight after them
    spell the sequence number (0.342_00000017 is write 17). These are at most 12 significant digits, and a float64 keeps
    15, so no two writes have the same loss, in JSON or in protobuf. A job that is started again is given a
    ``first_number`` beyond those of the job before it, so that this holds for both together.
    """

    def __init__(self, *, seed: int, batches_per_epoch: int, first_number: int = 1) -> None:
        source = random.Random(seed)  # noqa: S311 - noise for a plot, no secret
        self._noise = tuple(max(-3.0, min(3.0, source.gauss(0, 1))) for _ in range(_NOISES))
        self._batches = batches_per_epoch
        self._first_number = first_number

    def at(self, sequence: int) -> Metrics:
        """Return the metrics of write ``sequence``, from 1."""
        noise, step = self._noise, sequence - 1
        epoch, batch = (1, 0) if step == 0 else (1 + (step - 1) // self._batches, 1 + (step - 1) % self._batches)
        progress = (1 + step / 300) ** -0.7  # 1 at first, falling for ever: a power law, as measured curves have it
        loss = (0.04 + 2.26 * progress) * (1 + 0.03 * noise[step % _NOISES])
        processing_time_ms = round(245 + 20 * noise[step * 3 % _NOISES], 1)
        return Metrics(
            epoch=epoch,
            batch_number=batch,
            training_loss=(int(loss * 1000) * _SPELLED + self._first_number + step) / (1000 * _SPELLED),
            validation_loss=round((0.07 + 2.28 * progress) * (1 + 0.01 * noise[step * 5 % _NOISES]), 6),
            accuracy=round(0.98 - 0.87 * progress + 0.004 * noise[step * 7 % _NOISES], 6),
            learning_rate=round(0.1 / (1 + 0.05 * (epoch - 1)), 8),
            gpu_utilization=round(0.92 + 0.02 * noise[step * 11 % _NOISES], 4),
            processing_time_ms=processing_time_ms,
            samples_per_second=round(1000 * _SAMPLES_PER_BATCH / processing_time_ms, 2),
        )


def states(curves: Curves, *, total_epochs: int, batches_per_epoch: int) -> Iterator[Metrics]:
    """Yield what the job goes through: one state before the first batch, then one for each batch."""
    return map(curves.at, range(1, total_epochs * batches_per_epoch + 2))


def run(job: Job, metrics: Iterator[Metrics]) -> None:
    """Write one state after the other as the schedule has it; return at the end of all, or when told to."""
    for state in metrics:
        turn = job.next_turn()
        if turn is None:
            return
        job.write(state, turn.due)
        if turn.last:
            return

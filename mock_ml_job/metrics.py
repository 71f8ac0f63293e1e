"""What a job says of its training at one moment: frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metrics:
    """The ``training_metrics`` of one write, in the order of the file."""

    epoch: int
    """From 1."""
    batch_number: int
    """Within the epoch, from 1; 0 stands before the first batch of all."""
    training_loss: float
    validation_loss: float
    accuracy: float
    """0 to 1."""
    learning_rate: float
    gpu_utilization: float | None
    """0 to 1; None where there is no GPU: the field is left out of the file."""
    processing_time_ms: float
    """Of the batch, milliseconds."""
    samples_per_second: float

"""The nine fields of the file, and the metric that each contestant is to make of it; see docs/metrics.md."""

from __future__ import annotations

GAUGES = {
    "training_loss": "ml.training.loss",
    "validation_loss": "ml.validation.loss",
    "accuracy": "ml.training.accuracy",
    "learning_rate": "ml.training.learning_rate",
    "gpu_utilization": "ml.training.gpu_utilization",
}
COUNTERS = {"batch_number": "ml.training.batch_number", "epoch": "ml.training.epoch"}
HISTOGRAMS = {
    "processing_time_ms": ("ml.training.processing_time", "ms"),
    "samples_per_second": ("ml.training.samples_per_second", ""),
}

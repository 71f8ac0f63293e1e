"""Which field of the file becomes which metric: the table of the nine, and of the attributes they carry.

`bridge/mapping.toml` has the same table as people write it, and a test holds the two together: a bridge that is given
no table of its own then neither reads nor parses one, which saves memory and the ways in which a file can be broken.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["gauge", "counter", "histogram"]
FieldPath = tuple[str | int, ...]
"""Keys of objects, and places in lists: from 0, or from -1 at the end."""


class MetricRule(NamedTuple):
    """One field and the metric that it becomes.

    Attributes:
        path: the way from the root of the file to the field.
        name: the metric's name.
        kind: what becomes of a value. A gauge takes any finite number; a counter takes whole numbers from 0; a
            histogram takes finite numbers from 0.
        unit: in UCUM's notation, empty for a bare number (``1`` would make ``_ratio`` of it in Prometheus).
        description: one line for whoever meets the metric.
        buckets: a histogram's upper bounds, rising.
        restarts_with: for a counter whose field starts over whenever another counter's field rises: that one's name.
    """

    path: FieldPath
    name: str
    kind: Kind
    unit: str
    description: str
    buckets: tuple[float, ...] = ()
    restarts_with: str | None = None


class AttributeRule(NamedTuple):
    """One piece of metadata and the attribute of every point that it becomes."""

    path: FieldPath
    name: str


class Mapping(NamedTuple):
    """The whole table, and where the file says when it was written and when its job began."""

    metrics: tuple[MetricRule, ...]
    attributes: tuple[AttributeRule, ...]
    identifies_job: str | None
    """The attribute whose change means another job; None: there is one job."""
    written_at: FieldPath | None = ("timestamp",)
    started_at: FieldPath | None = ("job_metadata", "start_time")


def spelled(path: FieldPath) -> str:
    """The path as people write it: ``training_metrics.losses[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _training(field: str) -> FieldPath:
    return ("training_metrics", field)


DEFAULT = Mapping(
    metrics=(
        MetricRule(_training("training_loss"), "ml.training.loss", "gauge", "", "Training loss"),
        MetricRule(_training("validation_loss"), "ml.validation.loss", "gauge", "", "Validation loss"),
        MetricRule(_training("accuracy"), "ml.training.accuracy", "gauge", "", "Accuracy"),
        MetricRule(_training("learning_rate"), "ml.training.learning_rate", "gauge", "", "Learning rate"),
        MetricRule(
            _training("gpu_utilization"),
            "ml.training.gpu_utilization",
            "gauge",
            "",
            "GPU utilization",
        ),
        MetricRule(
            _training("batch_number"),
            "ml.training.batch_number",
            "counter",
            "",
            "Batches seen",
            restarts_with="ml.training.epoch",
        ),
        MetricRule(_training("epoch"), "ml.training.epoch", "counter", "", "Epochs begun"),
        MetricRule(
            _training("processing_time_ms"),
            "ml.training.processing_time",
            "histogram",
            "ms",
            "Batch time",
            # A batch takes from a millisecond (a toy) to minutes (a large model over many nodes).
            buckets=(1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000),
        ),
        MetricRule(
            _training("samples_per_second"),
            "ml.training.samples_per_second",
            "histogram",
            "",
            "Throughput",
            buckets=(0.1, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000, 100000, 1000000),
        ),
    ),
    attributes=(
        AttributeRule(("job_metadata", "job_id"), "job.id"),
        AttributeRule(("job_metadata", "model_name"), "model.name"),
        AttributeRule(("job_metadata", "dataset"), "dataset"),
    ),
    identifies_job="job.id",
)

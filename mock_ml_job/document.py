"""Metrics -> the bytes of the metrics file, and the same numbers as the ledger's JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from mock_ml_job.metrics import Metrics

_NAMES = tuple(field.name for field in fields(Metrics))
_NAMES_WITHOUT_GPU = tuple(name for name in _NAMES if name != "gpu_utilization")


def timestamp_now() -> str:
    """Return the wall time as the file has it: ISO 8601 with microseconds and offset."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class _Form:
    """Text with a gap for each number: the job must reach 1000 writes a second beside the bridge that is measured."""

    document: str
    values: str
    numbers: Callable[[Metrics], tuple[Any, ...]]


class Document:
    """Puts metrics into the file's form: JSON indented by 2, UTF-8, no newline at the end."""

    def __init__(self, *, job_id: str, model_name: str, dataset: str, start_time: str) -> None:
        metadata = {"job_id": job_id, "model_name": model_name, "dataset": dataset, "start_time": start_time}
        self._with_gpu = _form(metadata, _NAMES)
        self._without_gpu = _form(metadata, _NAMES_WITHOUT_GPU)

    def of(self, metrics: Metrics, timestamp: str) -> bytes:
        """Return the whole file. The metrics must be finite: JSON has no other numbers."""
        form = self._form(metrics)
        return (form.document % (timestamp, *form.numbers(metrics))).encode()

    def values(self, metrics: Metrics) -> str:
        """Return the metrics that stand in the file as one line of JSON."""
        form = self._form(metrics)
        return form.values % form.numbers(metrics)

    def _form(self, metrics: Metrics) -> _Form:
        return self._without_gpu if metrics.gpu_utilization is None else self._with_gpu


def _form(metadata: dict[str, str], names: tuple[str, ...]) -> _Form:
    # A number's repr is its JSON (json.dumps uses the same), and reads back as the very same float.
    numbers = ",\n".join(f'    "{name}": %r' for name in names)
    described = json.dumps(metadata, indent=2, ensure_ascii=False).replace("%", "%%").replace("\n", "\n  ")
    return _Form(
        document=f'{{\n  "timestamp": "%s",\n  "job_metadata": {described},\n'
        f'  "training_metrics": {{\n{numbers}\n  }}\n}}',
        values="{" + ",".join(f'"{name}":%r' for name in names) + "}",
        numbers=attrgetter(*names),
    )

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
FIELDS = ("timestamp", "job_id", "model_name", "dataset", "start_time", *_NAMES)
"""All fields of the file by their last key."""


def timestamp_now() -> str:
    """Return the wall time as the file has it: ISO 8601 with microseconds and offset."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Spoil:
    """One field of the file that is not as it should be."""

    field: str
    """One of `FIELDS`."""
    by: str
    """What stands there in place of its value, as it is; need not be JSON."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Text with a gap for each number: the job must reach 1000 writes a second beside the bridge that is measured."""

    document: str
    values: str
    numbers: Callable[[Metrics], tuple[Any, ...]]


class Document:
    """Puts metrics into the file's form: JSON indented by 2, UTF-8, no newline at the end."""

    def __init__(self, *, job_id: str, model_name: str, dataset: str, start_time: str) -> None:
        self._metadata = {"job_id": job_id, "model_name": model_name, "dataset": dataset, "start_time": start_time}
        self._forms: dict[tuple[bool, Spoil | None], _Form] = {}

    def of(self, metrics: Metrics, timestamp: str, spoil: Spoil | None = None) -> bytes:
        """Return the whole file. The metrics must be finite: JSON has no other numbers."""
        form = self._form(metrics, spoil)
        shown = spoil.by if spoil is not None and spoil.field == "timestamp" else f'"{timestamp}"'
        return (form.document % (shown, *form.numbers(metrics))).encode()

    def values(self, metrics: Metrics, spoil: Spoil | None = None) -> str:
        """Return the metrics that stand in the file as one line of JSON; a spoiled one is no metric."""
        form = self._form(metrics, spoil)
        return form.values % form.numbers(metrics)

    def _form(self, metrics: Metrics, spoil: Spoil | None) -> _Form:
        key = (metrics.gpu_utilization is not None, spoil)
        form = self._forms.get(key)
        if form is None:
            names = _NAMES if key[0] else _NAMES_WITHOUT_GPU
            form = self._forms[key] = _form(self._metadata, names, spoil or Spoil("", ""))
        return form


def _form(metadata: dict[str, str], names: tuple[str, ...], spoil: Spoil) -> _Form:
    by = spoil.by.replace("%", "%%")
    described = {name: json.dumps(text, ensure_ascii=False).replace("%", "%%") for name, text in metadata.items()}
    if spoil.field in described:
        described[spoil.field] = by
    # A number's repr is its JSON (json.dumps uses the same), and reads back as the very same float.
    numbers = {name: by if name == spoil.field else "%r" for name in names}
    whole = [name for name in names if name != spoil.field]
    return _Form(
        document=f'{{\n  "timestamp": %s,\n  "job_metadata": {_object(described)},\n'
        f'  "training_metrics": {_object(numbers)}\n}}',
        values="{" + ",".join(f'"{name}":%r' for name in whole) + "}",
        numbers=attrgetter(*whole),
    )


def _object(members: dict[str, str]) -> str:
    return "{\n" + ",\n".join(f'    "{name}": {value}' for name, value in members.items()) + "\n  }"

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from mock_ml_job.document import FIELDS, Document, Spoil, timestamp_now
from mock_ml_job.metrics import Metrics

METRICS = Metrics(
    epoch=5,
    batch_number=150,
    training_loss=0.342,
    validation_loss=0.1 + 0.2,
    accuracy=0.876,
    learning_rate=1e-05,
    gpu_utilization=0.94,
    processing_time_ms=245.0,
    samples_per_second=156.2,
)
ODD_NAME = 'a "job" with 100 %s, \\ and Ü\n\x01'


def document(**names: str) -> Document:
    metadata = {"job_id": "j", "model_name": "m", "dataset": "d", "start_time": "2024-10-22T10:00:00.000000+00:00"}
    return Document(**{**metadata, **names})


@pytest.mark.parametrize("gpu_utilization", [0.94, None])
@pytest.mark.parametrize("job_id", ["training-job-123", ODD_NAME])
def test_a_document_is_what_json_dumps_with_an_indent_of_2_makes_of_it(job_id: str, gpu_utilization: float | None):
    metrics = dataclasses.replace(METRICS, gpu_utilization=gpu_utilization)
    numbers = {name: number for name, number in dataclasses.asdict(metrics).items() if number is not None}
    expected = {
        "timestamp": "2024-10-22T10:30:00.123456+00:00",
        "job_metadata": {
            "job_id": job_id,
            "model_name": "m",
            "dataset": "d",
            "start_time": "2024-10-22T10:00:00.000000+00:00",
        },
        "training_metrics": numbers,
    }
    made = document(job_id=job_id).of(metrics, "2024-10-22T10:30:00.123456+00:00")
    assert made == json.dumps(expected, indent=2, ensure_ascii=False).encode()
    assert not made.endswith(b"\n")


def test_the_ledgers_values_are_the_numbers_of_the_document():
    made = document()
    assert json.loads(made.values(METRICS)) == json.loads(made.of(METRICS, "t"))["training_metrics"]


def test_a_job_without_a_gpu_has_no_gpu_utilization_anywhere():
    metrics = dataclasses.replace(METRICS, gpu_utilization=None)
    assert b"gpu" not in document().of(metrics, "t")
    assert "gpu" not in document().values(metrics)


def test_a_timestamp_has_microseconds_and_an_offset():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", timestamp_now())


@pytest.mark.parametrize("field", FIELDS)
def test_a_spoiled_field_alone_is_another_and_no_number_of_the_ledger(field: str):
    whole = json.loads(document().of(METRICS, "t"))
    spoiled = document().of(METRICS, "t", Spoil(field, "[100, true]"))
    found = json.loads(spoiled)
    section = next(part for part in (found, *found.values()) if isinstance(part, dict) and field in part)
    assert section[field] == [100, True]
    original = next(part for part in (whole, *whole.values()) if isinstance(part, dict) and field in part)
    section[field] = original[field]
    assert found == whole
    values = json.loads(document().values(METRICS, Spoil(field, "[100, true]")))
    assert values == {name: value for name, value in whole["training_metrics"].items() if name != field}


def test_what_spoils_a_field_need_not_be_json():
    assert b'"training_loss": NaN 100 %s,' in document().of(METRICS, "t", Spoil("training_loss", "NaN 100 %s"))

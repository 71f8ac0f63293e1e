from __future__ import annotations

from pathlib import Path

import pytest

from mock_ml_job.settings import JobKind, Settings, SettingsError


def test_the_defaults_are_those_of_a_job_in_its_container():
    settings = Settings.from_mapping({}, "mock")
    assert settings.metrics_file_path == Path("/shared/metrics/current.json")
    assert (settings.write_interval_seconds, settings.total_epochs, settings.batches_per_epoch) == (10, 10, 100)
    assert (settings.write_mode, settings.ledger_path, settings.control_path, settings.seed) == (
        "rename",
        None,
        None,
        0,
    )
    assert (settings.job_id, settings.model_name, settings.dataset) == ("training-job-123", "resnet-50", "imagenet")


def test_a_training_says_what_it_trains_on_what():
    settings = Settings.from_mapping({}, "train")
    assert (settings.model_name, settings.dataset) == ("mlp-64", "scikit-learn-digits")


def test_every_variable_is_read(tmp_path: Path):
    environ = {
        "JOB_ID": "j",
        "MODEL_NAME": "m",
        "DATASET": "d",
        "METRICS_FILE_PATH": str(tmp_path / "m.json"),
        "WRITE_INTERVAL": "0.001",
        "TOTAL_EPOCHS": "3",
        "BATCHES_PER_EPOCH": "8",
        "JOB_WRITE_MODE": "in-place",
        "JOB_TEMPORARY": ".mine.tmp",
        "JOB_LEDGER_PATH": str(tmp_path / "ledger.jsonl"),
        "JOB_CONTROL_PATH": str(tmp_path / "control.json"),
        "JOB_SEED": "7",
        "JOB_FIRST_NUMBER": "9",
        "BATCH_PAUSE": "0",
    }
    assert Settings.from_mapping(environ, "train") == Settings(
        kind="train",
        job_id="j",
        model_name="m",
        dataset="d",
        metrics_file_path=tmp_path / "m.json",
        write_interval_seconds=0.001,
        total_epochs=3,
        batches_per_epoch=8,
        write_mode="in-place",
        temporary_suffix=".mine.tmp",
        ledger_path=tmp_path / "ledger.jsonl",
        control_path=tmp_path / "control.json",
        seed=7,
        first_number=9,
        batch_pause_seconds=0,
    )


def test_an_empty_variable_counts_as_not_set():
    assert Settings.from_mapping({"JOB_ID": "", "WRITE_INTERVAL": ""}, "mock") == Settings.from_mapping({}, "mock")


@pytest.mark.parametrize(
    ("kind", "name", "value", "allowed"),
    [
        ("mock", "JOB_ID", "\udcff", "valid UTF-8"),
        ("mock", "METRICS_FILE_PATH", "/", "path of a file"),
        ("mock", "METRICS_FILE_PATH", "/shared/current.tmp", "must not end in .tmp"),
        ("mock", "METRICS_FILE_PATH", "/dev/null", "must not be a device"),
        ("mock", "WRITE_INTERVAL", "1s", "number of seconds"),
        ("mock", "WRITE_INTERVAL", "-1", "number of seconds"),
        ("mock", "WRITE_INTERVAL", "nan", "number of seconds"),
        ("mock", "WRITE_INTERVAL", "inf", "number of seconds"),
        ("mock", "TOTAL_EPOCHS", "0", "whole number, 1 or more"),
        ("mock", "TOTAL_EPOCHS", "1000000", "losses would repeat"),
        ("mock", "BATCHES_PER_EPOCH", "1.5", "whole number, 1 or more"),
        ("train", "BATCHES_PER_EPOCH", "7", "8 to 1437"),
        ("train", "BATCHES_PER_EPOCH", "1438", "8 to 1437"),
        ("mock", "JOB_WRITE_MODE", "append", "rename or in-place"),
        ("mock", "JOB_SEED", "4294967296", "0 to 4294967295"),
        ("mock", "JOB_TEMPORARY", "/../x.tmp", "begins with a dot"),
        ("train", "BATCH_PAUSE", "-0.1", "number of seconds"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(kind: JobKind, name: str, value: str, allowed: str):
    with pytest.raises(SettingsError, match=allowed) as caught:
        Settings.from_mapping({name: value}, kind)
    (problem,) = caught.value.problems
    assert name in problem
    assert problem.isprintable()


def test_all_problems_are_named_together():
    environ = {"WRITE_INTERVAL": "x", "TOTAL_EPOCHS": "x", "JOB_WRITE_MODE": "x"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_mapping(environ, "mock")
    assert [problem.partition("=")[0] for problem in caught.value.problems] == list(environ)

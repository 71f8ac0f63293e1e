"""Every knob of the job: read once from a mapping, all problems reported together."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mock_ml_job.mock import WRITES_MAX
from mock_ml_job.writer import WRITE_MODES, WriteMode

JobKind = Literal["mock", "train"]

TRAIN_BATCHES_MIN = 8
TRAIN_BATCHES_MAX = 1437
"""Bounds of a training epoch: scikit-learn splits more than 200 samples itself, and there are 1437 to train on."""

T = TypeVar("T")

_DEFAULTS: dict[JobKind, dict[str, str]] = {
    "mock": {"JOB_ID": "training-job-123", "MODEL_NAME": "resnet-50", "DATASET": "imagenet"},
    "train": {"JOB_ID": "training-job-digits", "MODEL_NAME": "mlp-64", "DATASET": "scikit-learn-digits"},
}


class SettingsError(Exception):
    """The environment asks for what cannot be; one line for each problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for.

    ==================  =====================================================  ==============================
    variable            meaning                                                default
    ==================  =====================================================  ==============================
    JOB_ID              the job's name, in the file                            training-job-123
    MODEL_NAME          the model's name, in the file                          resnet-50
    DATASET             the data set's name, in the file                       imagenet
    METRICS_FILE_PATH   the metrics file                                       /shared/metrics/current.json
    WRITE_INTERVAL      seconds between two writes; 0: as fast as possible     10
    TOTAL_EPOCHS        epochs until the job ends by itself                    10
    BATCHES_PER_EPOCH   batches of each epoch; train: 8 to 1437                100
    JOB_WRITE_MODE      rename, in-place or symlink                            rename
    JOB_TEMPORARY       suffix of the file that is renamed over the other one  .tmp
    JOB_LEDGER_PATH     the ledger, appended to                                none is kept
    JOB_CONTROL_PATH    the file of orders, see `control.py`                   none is looked at
    JOB_SEED            of the curves, or of the training                      0
    JOB_FIRST_NUMBER    mock: the number that the first write's loss spells    1
    BATCH_PAUSE         train: seconds of rest after each batch                0.02
    ==================  =====================================================  ==============================

    The three names have defaults of their own for ``train``. An empty variable counts as not set.
    """

    kind: JobKind
    job_id: str
    model_name: str
    dataset: str
    metrics_file_path: Path
    write_interval_seconds: float
    total_epochs: int
    batches_per_epoch: int
    write_mode: WriteMode
    temporary_suffix: str
    ledger_path: Path | None
    control_path: Path | None
    seed: int
    first_number: int
    batch_pause_seconds: float
    """The rest stands for the loading of data; it keeps the training from taking a whole core beside the bridge."""

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str], kind: JobKind) -> Settings:
        """Read the settings of one kind of job.

        Raises:
            SettingsError: with all problems.
        """
        reader = _Reader({**_DEFAULTS[kind], **{name: value for name, value in environ.items() if value}})
        settings = cls(
            kind=kind,
            job_id=reader.text("JOB_ID"),
            model_name=reader.text("MODEL_NAME"),
            dataset=reader.text("DATASET"),
            metrics_file_path=reader.file("METRICS_FILE_PATH") or Path("/shared/metrics/current.json"),
            write_interval_seconds=reader.seconds("WRITE_INTERVAL", 10.0),
            total_epochs=reader.count("TOTAL_EPOCHS", 10),
            batches_per_epoch=reader.count("BATCHES_PER_EPOCH", 100),
            write_mode=reader.choice("JOB_WRITE_MODE", WRITE_MODES),
            temporary_suffix=reader.suffix("JOB_TEMPORARY"),
            ledger_path=reader.file("JOB_LEDGER_PATH"),
            control_path=reader.file("JOB_CONTROL_PATH"),
            seed=reader.seed("JOB_SEED"),
            first_number=reader.count("JOB_FIRST_NUMBER", 1),
            batch_pause_seconds=reader.seconds("BATCH_PAUSE", 0.02),
        )
        problems = (*reader.problems, *settings._contradictions())
        if problems:
            raise SettingsError(problems)
        return settings

    def _contradictions(self) -> tuple[str, ...]:
        """What is wrong with values that are right by themselves."""
        problems = []
        if self.metrics_file_path.suffix == ".tmp":
            problems.append(
                f"METRICS_FILE_PATH={self.metrics_file_path}: must not end in .tmp, the name of the file to rename"
            )
        if _is_device(self.metrics_file_path):
            problems.append(
                f"METRICS_FILE_PATH={self.metrics_file_path}: must not be a device: a file would take its place"
            )
        writes = self.total_epochs * self.batches_per_epoch + self.first_number
        if self.kind == "mock" and writes > WRITES_MAX:
            problems.append(
                f"TOTAL_EPOCHS={self.total_epochs}, BATCHES_PER_EPOCH={self.batches_per_epoch}: {writes} writes are"
                f" more than {WRITES_MAX}, beyond which losses would repeat"
            )
        if self.kind == "train" and not TRAIN_BATCHES_MIN <= self.batches_per_epoch <= TRAIN_BATCHES_MAX:
            problems.append(
                f"BATCHES_PER_EPOCH={self.batches_per_epoch}: must be {TRAIN_BATCHES_MIN} to {TRAIN_BATCHES_MAX}"
                " for train"
            )
        return tuple(problems)


class _Reader:
    """Takes values out of the mapping and collects what is wrong with them; a wrong one reads as its default."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return self._read(name, _unicode, "", "valid UTF-8")

    def file(self, name: str) -> Path | None:
        return self._read(name, _path, None, "the path of a file")

    def seconds(self, name: str, default: float) -> float:
        return self._read(name, _seconds, default, "a number of seconds, 0 or more")

    def count(self, name: str, default: int) -> int:
        return self._read(name, _count, default, "a whole number, 1 or more")

    def seed(self, name: str) -> int:
        return self._read(name, _seed, 0, "a whole number, 0 to 4294967295")

    def choice(self, name: str, allowed: tuple[WriteMode, ...]) -> WriteMode:
        return self._read(
            name, lambda text: next(word for word in allowed if word == text), allowed[0], " or ".join(allowed)
        )

    def suffix(self, name: str) -> str:
        return self._read(name, _suffix, ".tmp", "a suffix that begins with a dot and ends in .tmp")

    def _read(self, name: str, convert: Callable[[str], T], default: T, allowed: str) -> T:
        text = self._values.get(name)
        if text is None:
            return default
        try:
            return convert(text)
        except (ValueError, StopIteration):
            shown = text.encode(errors="backslashreplace").decode()
            self.problems.append(f"{name}={shown}: must be {allowed}")
            return default


def _unicode(text: str) -> str:
    text.encode()  # a byte of the environment that is no UTF-8 came as a lone surrogate
    return text


def _path(text: str) -> Path:
    path = Path(text)
    if not path.name or os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise ValueError(text)
    return path


def _is_device(path: Path) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as os.path.isdir beside it
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _suffix(text: str) -> str:
    if not text.startswith(".") or not text.endswith(".tmp") or "/" in text:
        raise ValueError(text)
    return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**32:  # what numpy's generators take
        raise ValueError(text)
    return seed

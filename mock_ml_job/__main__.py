"""The wiring: environment -> settings -> a job, run to its end."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mock_ml_job import mock, train
from mock_ml_job.control import Control
from mock_ml_job.document import Document, timestamp_now
from mock_ml_job.job import Job
from mock_ml_job.ledger import Ledger
from mock_ml_job.schedule import Schedule
from mock_ml_job.settings import Settings, SettingsError
from mock_ml_job.stop import SignalStop, Stop
from mock_ml_job.writer import MetricsFile

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_SETTINGS = 2

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

Work = Callable[[Job], None]


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run a job until its end, its orders' end, SIGTERM or SIGINT.

    Returns:
        0: ended as it should. 1: a file could not be written. 2: the settings are wrong or scikit-learn is missing.
    """
    stop = SignalStop()
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.from_mapping(os.environ if environ is None else environ, arguments.kind)
        work = _training(settings) if settings.kind == "train" else _mock(settings)
    except SettingsError as error:
        sys.stderr.writelines(f"mock_ml_job: {problem}\n" for problem in error.problems)
        return EXIT_SETTINGS
    try:
        _run(settings, work, stop)
    except OSError as error:
        sys.stderr.write(f"mock_ml_job: {error} (METRICS_FILE_PATH and JOB_LEDGER_PATH say where it writes)\n")
        return EXIT_FAILED
    return EXIT_DONE


def _run(settings: Settings, work: Work, stop: Stop) -> None:
    settings.metrics_file_path.parent.mkdir(parents=True, exist_ok=True)
    with Ledger(settings.ledger_path or Path(os.devnull)) as ledger:
        start = time.monotonic()
        ledger.start(
            start,
            job=settings.kind,
            job_id=settings.job_id,
            model_name=settings.model_name,
            dataset=settings.dataset,
            period_seconds=settings.write_interval_seconds,
            write_mode=settings.write_mode,
        )
        job = Job(
            document=Document(
                job_id=settings.job_id,
                model_name=settings.model_name,
                dataset=settings.dataset,
                start_time=timestamp_now(),
            ),
            file=MetricsFile(settings.metrics_file_path, settings.write_mode, settings.temporary_suffix),
            ledger=ledger,
            control=Control(settings.control_path),
            schedule=Schedule(start, settings.write_interval_seconds),
            stop=stop,
        )
        try:
            work(job)
        finally:
            job.end()


def _mock(settings: Settings) -> Work:
    curves = mock.Curves(
        seed=settings.seed, batches_per_epoch=settings.batches_per_epoch, first_number=settings.first_number
    )
    states = mock.states(curves, total_epochs=settings.total_epochs, batches_per_epoch=settings.batches_per_epoch)
    return lambda job: mock.run(job, states)


def _training(settings: Settings) -> Work:
    # A training of this size is slower with more threads, and a neighbour of the bridge should not take all cores.
    # The libraries read these once, when they are loaded: so before the import, which the mock job must do without.
    os.environ.update(_ONE_THREAD)
    try:
        from mock_ml_job.network import Digits  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        raise SettingsError(
            (f"train needs scikit-learn ({error}): pip install 'ml-metrics-bridge[harness]'",)
        ) from error
    digits = Digits(
        seed=settings.seed, total_epochs=settings.total_epochs, batches_per_epoch=settings.batches_per_epoch
    )
    return lambda job: train.run(job, digits.batches(), pause_seconds=settings.batch_pause_seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mock_ml_job",
        description="A training job that writes its metrics to a file. "
        "All settings are environment variables (docs/metrics-file.md).",
        epilog="Exit codes: 0 ended as it should, 1 a file could not be written, 2 wrong settings.",
    )
    parser.add_argument(
        "kind", choices=("mock", "train"), help="mock: made-up curves; train: a real training on scikit-learn's digits"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

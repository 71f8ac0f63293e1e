"""The training job: writes what a network under training measures of itself."""

from __future__ import annotations

from collections.abc import Iterator

from mock_ml_job.job import Job
from mock_ml_job.metrics import Metrics


def run(job: Job, batches: Iterator[Metrics], *, pause_seconds: float) -> None:
    """Train batch by batch; write the newest state when the schedule wants one, and the last one in any case.

    Args:
        job: the one that writes.
        batches: trains one batch each time it is asked for the next, and yields what was measured.
        pause_seconds: so long nothing is done between two batches.
    """
    unwritten: Metrics | None = None
    for measured in batches:
        unwritten = measured
        if job.stopped:
            return
        turn = job.turn()
        if turn is not None:
            job.write(measured, turn.due)
            if turn.last:
                return
            unwritten = None
        job.rest(pause_seconds)
    if unwritten is not None and (turn := job.closing_turn()):
        job.write(unwritten, turn.due)

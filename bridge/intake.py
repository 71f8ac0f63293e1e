"""New readings as snapshots: each one once, a half-written one looked at again. The loop's way to the metrics file."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bridge.errors import BridgeError, FileChanging, FileMissing, MetricsFileError, SnapshotError
from bridge.metrics_file import MetricsFile, Reading
from bridge.snapshot import Snapshot

LOOK_AGAIN_SECONDS = (0.005, 0.010, 0.020)
"""A writer caught half-way is given these pauses to finish: 35 ms in all, so that a tick stays short."""
LAST_LOOK_AGAIN_SECONDS = (*LOOK_AGAIN_SECONDS, 0.040, 0.080)
"""The same at the end, after which nobody looks: 155 ms in all."""


class News(NamedTuple):
    """A reading that was not seen before.

    Attributes:
        snapshot: what it says.
        age_seconds: how long it had been lying there, as far as can be known: 0 unless it is the first.
        appeared: it is the first, and the file was not there at the first look.
    """

    snapshot: Snapshot
    age_seconds: float
    appeared: bool


class Intake:
    """Remembers what was read, so that the same reading is never parsed or counted twice."""

    def __init__(
        self, metrics_file: MetricsFile, parse: Callable[[Reading], Snapshot], sleep: Callable[[float], None]
    ) -> None:
        self._metrics_file = metrics_file
        self._parse = parse
        self._sleep = sleep
        self._good: Reading | None = None
        self._broken: Reading | None = None
        self._broken_error = SnapshotError("nothing was read yet")
        self._ended_with: Reading | type[MetricsFileError] | None = None
        self._began_without_file: bool | None = None

    def take(self, *, last: bool = False) -> News | None:
        """Look at the file, again where a writer seems to be at work. None: it is whole, and as it was.

        Args:
            last: nobody looks after this one, so half a document is waited for, also one that was there before.

        Raises:
            MetricsFileError: there are no bytes.
            SnapshotError: the bytes are no snapshot, and a moment later they were still none.
        """
        ended_with, self._ended_with = self._ended_with, None
        for pause in LAST_LOOK_AGAIN_SECONDS if last else LOOK_AGAIN_SECONDS:
            try:
                return self._look()
            except (FileChanging, FileMissing, SnapshotError) as error:
                # What the last take ended with, and is still so, is no slip of this moment: it gets no second look.
                half_of_the_last = last and isinstance(error, SnapshotError)
                if ended_with is not None and self._failure(error) is ended_with and not half_of_the_last:
                    self._ended_with = ended_with
                    raise
            self._sleep(pause)
        try:
            return self._look()
        except (FileMissing, SnapshotError) as error:
            self._ended_with = self._failure(error)
            raise

    def _look(self) -> News | None:
        try:
            reading = self._metrics_file.read()
        except FileMissing:
            self._began_without_file = self._began_without_file in (None, True)
            raise
        first = self._good is None
        self._began_without_file = bool(self._began_without_file)
        if reading.same_as(self._good):
            return None
        if reading.same_as(self._broken):
            raise SnapshotError(self._broken_error.reason, self._broken_error.position)
        try:
            snapshot = self._parse(reading)
        except SnapshotError as error:
            self._broken, self._broken_error = reading, error
            raise
        self._good = reading
        age_seconds = (reading.time_unix_nano - reading.identity.mtime_ns) / 1e9
        return News(snapshot, max(0.0, age_seconds) if first else 0.0, first and self._began_without_file)

    def _failure(self, error: BridgeError) -> Reading | type[MetricsFileError] | None:
        if isinstance(error, SnapshotError):
            return self._broken
        return type(error) if isinstance(error, FileMissing) else None

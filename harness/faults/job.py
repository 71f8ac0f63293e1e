"""Harm by the way the job writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.faults.contract import FaultError, Ground, Seen
from harness.faults.file import NoParameters, is_json_object
from harness.job_control import JobError
from harness.scenario import Seconds, Strict
from harness.waiting import WaitedTooLongError

_STILL_SECONDS_MIN, _STILL_SECONDS_MAX = 0.2, 5.0
_LOOK_SECONDS_MIN, _LOOK_SECONDS_MAX = 0.002, 0.05


class TornWrites(Strict):
    """Parameters of `JobTornWrites`."""

    hold: Seconds = 0.2
    """How long half a document stands in the file, at each write."""
    times: Annotated[int, Field(ge=1)] = 2
    """How many torn writes each verify wants to see."""


class JobTornWrites:
    """Every write is made in place, in two halves with a pause between."""

    def __init__(self, ground: Ground, parameters: TornWrites) -> None:
        self._ground = ground
        self._hold = parameters.hold
        self._times = parameters.times

    def inject(self) -> str:
        """Tell the job to tear its writes."""
        if self._hold <= 0:
            raise FaultError("hold is 0s: a write that is torn for no time is a whole one")
        self._tear(self._hold)
        return f"the job tears every write for {self._hold:g} s"

    def verify(self) -> Seen:
        """Read the file until torn content was seen several times, whole content between."""
        period = max(self._hold, self._ground.job.period_seconds)
        within = (self._times + 1) * (period + self._hold) + 1.0
        count = _Torn(self._ground)
        try:
            self._ground.patience.until(
                lambda: count.look() >= self._times,
                within=within,
                what=f"{self._times} torn writes",
                every=min(_LOOK_SECONDS_MAX, max(_LOOK_SECONDS_MIN, self._hold / 5)),
            )
        except WaitedTooLongError:
            return Seen(ok=False, evidence=f"{count.seen} torn writes seen in {within:.1f} s, wanted {self._times}")
        return Seen(ok=True, evidence=f"{count.seen} torn writes seen on disk, the last with {count.size} bytes")

    def heal(self) -> str:
        """Tell the job to write whole documents again."""
        if not self._ground.job.alive:
            return "the job has ended: nobody writes"
        self._tear(0.0)
        return "the job writes whole documents again"

    def _tear(self, hold_seconds: float) -> None:
        try:
            self._ground.job.tear(hold_seconds)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be told: {problem}") from problem


class _Torn:
    """Counts torn contents of the metrics file; one that stands for several looks counts once."""

    def __init__(self, ground: Ground) -> None:
        self._path = ground.metrics_file
        self._last: bytes | None = None
        self.seen = 0
        self.size = 0

    def look(self) -> int:
        """Read the file; gives the count."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return self.seen
        if data != self._last and data and not is_json_object(data):
            self.seen += 1
            self.size = len(data)
        self._last = data
        return self.seen


class JobPaused:
    """The job writes nothing; the last file stands."""

    def __init__(self, ground: Ground, parameters: NoParameters) -> None:
        del parameters
        self._ground = ground

    def inject(self) -> str:
        """Tell the job to pause."""
        self._pause(paused=True)
        return "the job pauses"

    def verify(self) -> Seen:
        """Look whether the file stays what it is for two write periods (0.2 s at least, 5 s at most)."""
        still_seconds = min(_STILL_SECONDS_MAX, max(_STILL_SECONDS_MIN, 2 * self._ground.job.period_seconds))
        before = self._identity()
        self._ground.patience.hold(still_seconds)
        if self._identity() != before:
            return Seen(ok=False, evidence=f"the file was written within {still_seconds:g} s")
        return Seen(ok=True, evidence=f"the file was the same for {still_seconds:g} s")

    def heal(self) -> str:
        """Tell the job to write again."""
        if not self._ground.job.alive:
            return "the job has ended: nobody writes"
        self._pause(paused=False)
        return "the job writes again"

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            found = self._ground.metrics_file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _pause(self, *, paused: bool) -> None:
        try:
            self._ground.job.pause(paused)
        except (JobError, WaitedTooLongError) as problem:
            raise FaultError(f"the job could not be told: {problem}") from problem

"""Whether the file is to be believed: what each look found, since when, and what people are told of it."""

from __future__ import annotations

import logging
import re

from bridge.errors import BridgeError, FileMissing, SnapshotError
from bridge.logs import Repeats

_log = logging.getLogger(__name__)

_NUMBER = re.compile("[0-9]+")

SLIP_INTERVALS = 3
"""For so many intervals a missing or broken file may be a slip; then its gauges end."""


class _Bad:
    """The looks in a row that found no whole file."""

    def __init__(self, since_seconds: float) -> None:
        self.since_seconds = since_seconds
        self.looks = 0
        self.reason = ""
        self.said = False


class Freshness:
    """Decides whether gauges may be shown, and says it when that changes.

    Args:
        interval_seconds: from tick to tick.
        stale_after_seconds: how long a whole file may stay unchanged. Slow jobs are no hung jobs.
        repeats: who was told what.

    Attributes:
        news_at_seconds: when the file last changed, as far as is known; None where nothing was read yet.
    """

    def __init__(self, *, interval_seconds: float, stale_after_seconds: float, repeats: Repeats) -> None:
        self._slip_seconds = SLIP_INTERVALS * interval_seconds
        self._stale_after_seconds = stale_after_seconds
        self._repeats = repeats
        self._bad: _Bad | None = None
        self.news_at_seconds: float | None = None
        self._live = True

    def news(self, now: float, age_seconds: float) -> None:
        """Note a whole file with a reading that was not seen before, and how old it is."""
        self.news_at_seconds = now - age_seconds
        self.good(now)

    def good(self, now: float) -> None:
        """Note a whole file."""
        bad, self._bad = self._bad, None
        if bad is not None and bad.said:
            _log.info(
                "the metrics file is whole again, after %d bad looks in %.1f s", bad.looks, now - bad.since_seconds
            )

    def bad(self, now: float, error: BridgeError) -> None:
        """Note that there is no whole file. Missing is DEBUG, else an ERROR, each kind once a minute at most."""
        bad = self._bad = self._bad or _Bad(now)
        bad.looks += 1
        bad.reason = str(error)
        if isinstance(error, FileMissing):
            self._missing(now, bad, error)
            return
        unsaid = self._repeats.due(("bad file", _sort_of(error)))
        if unsaid is not None:
            bad.said = True
            again = f" (as {unsaid} times since this was last said)" if unsaid else ""
            _log.error(
                "the metrics file is broken: %s%s; its last values are kept for %g s, and it is looked at each tick",
                error,
                again,
                self._slip_seconds,
            )

    def _missing(self, now: float, bad: _Bad, error: FileMissing) -> None:
        """A job that has not written yet is no trouble. A path that is wrong looks the same, and is told once."""
        if self.news_at_seconds is None and not bad.said and now - bad.since_seconds > self._slip_seconds:
            bad.said = True
            _log.info("%s; until it is, no metric of the job is sent; it is looked for at each tick", error)
        else:
            _log.debug("%s; looking again at the next tick", error)

    @property
    def trouble(self) -> str | None:
        """What the last look found instead of a whole file."""
        bad = self._bad  # another thread may ask
        return None if bad is None else bad.reason

    def live(self, now: float) -> bool:
        """Whether what was last read may be shown as the present state of the job."""
        why = self._why_not(now)
        if (why is None) != self._live:
            self._live = why is None
            if self._live:
                _log.info("gauges are shown again")
            else:
                _log.warning("gauges have ended: %s; they are shown again with the next good reading", why)
        return self._live

    def _why_not(self, now: float) -> str | None:
        if self.news_at_seconds is None:
            return None  # nothing was ever shown
        if self._bad is not None and now - self._bad.since_seconds > self._slip_seconds:
            return f"no whole metrics file for {now - self._bad.since_seconds:.1f} s ({self._bad.reason})"
        unchanged_seconds = now - self.news_at_seconds
        if unchanged_seconds > self._stale_after_seconds:
            return f"the metrics file has not changed for {unchanged_seconds:.0f} s"
        return None


def _sort_of(error: BridgeError) -> str:
    """What is another trouble, and not the same one at another place. There are some dozens, whatever a job writes."""
    if isinstance(error, SnapshotError):
        return error.reason.partition(":")[0]
    return _NUMBER.sub("", str(error))

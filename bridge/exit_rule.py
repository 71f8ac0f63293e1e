"""When the bridge ends by itself: where there are no native sidecars, an ordinary one keeps its Job from completing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ExitRule:
    """Off unless one of the three is given.

    Args:
        idle_seconds_max: end when there was no new reading for so long, counted from the first one on: before it, the
            job may still be pulling its image or loading its data.
        without_file_seconds_max: end when there was no reading at all for so long, counted from the first time that
            `why_end` is asked, which is after the first look at the file.
        marker: end when something is at this path.
    """

    def __init__(
        self,
        *,
        idle_seconds_max: float | None = None,
        without_file_seconds_max: float | None = None,
        marker: Path | None = None,
    ) -> None:
        self._idle_seconds_max = idle_seconds_max
        self._without_file_seconds_max = without_file_seconds_max
        self._marker = marker
        self._news_at_seconds: float | None = None
        self._asked_first_at_seconds: float | None = None

    def news(self, now: float) -> None:
        """Note a new reading."""
        self._news_at_seconds = now

    def why_end(self, now: float) -> str | None:
        """Why it is time to end, as a phrase; None while it is not."""
        if self._asked_first_at_seconds is None:
            self._asked_first_at_seconds = now
        if self._news_at_seconds is None:
            seconds, seconds_max, what = now - self._asked_first_at_seconds, self._without_file_seconds_max, "first"
        else:
            seconds, seconds_max, what = now - self._news_at_seconds, self._idle_seconds_max, "new"
        if seconds_max is not None and seconds >= seconds_max:
            return f"no {what} reading for {seconds:.0f} s"
        # os.path, not Path.exists: the latter raises where the folder may not be searched.
        if self._marker is not None and os.path.lexists(self._marker):
            return f"{self._marker} is there"
        return None

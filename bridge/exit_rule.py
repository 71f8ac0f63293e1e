"""When the bridge ends by itself: where there are no native sidecars, an ordinary one keeps its Job from completing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ExitRule:
    """Off unless one of the two is given.

    Args:
        idle_seconds_max: end when there was no new reading for so long, counted from the first one on: before it, the
            job may still be pulling its image.
        marker: end when something is at this path.
    """

    def __init__(self, *, idle_seconds_max: float | None = None, marker: Path | None = None) -> None:
        self._idle_seconds_max = idle_seconds_max
        self._marker = marker
        self._news_at_seconds: float | None = None

    def news(self, now: float) -> None:
        """Note a new reading."""
        self._news_at_seconds = now

    def why_end(self, now: float) -> str | None:
        """Why it is time to end, as a phrase; None while it is not."""
        if self._idle_seconds_max is not None and self._news_at_seconds is not None:
            idle_seconds = now - self._news_at_seconds
            if idle_seconds >= self._idle_seconds_max:
                return f"no new reading for {idle_seconds:.0f} s"
        # os.path, not Path.exists: the latter raises where the folder may not be searched.
        if self._marker is not None and os.path.lexists(self._marker):
            return f"{self._marker} is there"
        return None

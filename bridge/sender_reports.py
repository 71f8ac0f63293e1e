"""What the sender says in the log: changes of state at once, repeats once a minute, each with what happens next.

A collector that comes and goes every second must not fill the log: a failure is said at most every 10 s, and a recovery
only after a failure that was said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bridge.delivery import Broken, Stats
from bridge.logs import Repeats
from bridge.otlp import Busy, Delivered, Outcome, Refused, Unreachable
from bridge.outbox import INTERNAL_ERROR, QUEUE_FULL, REFUSED, TOO_LARGE

FLAP_SECONDS = 10.0

_DROPS = {
    QUEUE_FULL: "the queue is full and the oldest made room",
    TOO_LARGE: "larger than the whole queue may be (BRIDGE_QUEUE_SIZE_MAX)",
    REFUSED: "refused by the collector for good",
    INTERNAL_ERROR: "sending broke our own code again and again",
}


class SenderReports:
    """Turns outcomes into log lines. Used by the sender's thread alone.

    Args:
        log: takes the lines.
        clock: monotonic seconds.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._repeats = Repeats(clock)
        self._flaps = Repeats(clock, FLAP_SECONDS)
        self._failing_since: float | None = None
        self._failure_said = False
        self._delivered_before = False
        self._dropped_said = dict.fromkeys(_DROPS, 0)

    def outcome(self, outcome: Outcome | Broken, before: Stats, after: Stats) -> None:
        """Say what this outcome changed."""
        if isinstance(outcome, Delivered):
            self._delivered(outcome, before)
        elif isinstance(outcome, Refused):
            self._recovered(before)
        elif after.failures_in_a_row:
            self._failed(outcome, after)
        self.drops(after, outcome.reason if isinstance(outcome, Refused) else None)

    def drops(self, stats: Stats, refusal: str | None = None) -> None:
        """Say what was dropped since it was said last.

        Args:
            stats: of this moment.
            refusal: what the collector just said, where it refused.
        """
        for reason, why in _DROPS.items():
            new = stats.dropped[reason] - self._dropped_said[reason]
            if new and self._repeats.due(reason) is not None:
                self._dropped_said[reason] = stats.dropped[reason]
                quoted = f" ({refusal})" if refusal and reason == REFUSED else ""
                self._log.warning("requests dropped: %d, %s%s; dropped so far: %d", new, why, quoted, stats.lost)

    def bulletin(self, outcome: Outcome) -> None:
        """Say for those who look closely what came of the bridge's own metrics, which nobody sends again."""
        if not isinstance(outcome, Delivered):
            self._log.debug("the bridge's own metrics were not taken: %s; newer ones follow", outcome.reason)

    def broke(self, error: Exception) -> None:
        """Say with its traceback that our own code broke; delivery goes on."""
        if self._repeats.due(("broke", type(error))) is not None:
            self._log.error("delivery met an unexpected error; it rests for about 1 s and goes on", exc_info=error)

    def _failed(self, outcome: Unreachable | Busy | Broken, stats: Stats) -> None:
        now = self._clock()
        pause_seconds = max(0.0, stats.next_attempt_at - now)
        if self._failing_since is None:
            self._failing_since = now
        if not self._failure_said:
            if self._flaps.due("failure") is None:
                return
            self._failure_said = True
            self._repeats.forget("failing")
            self._repeats.due("failing")  # this line counts as the first of those
            self._log.warning(
                "delivery fails: %s; requests waiting: %d; next attempt in %.1f s",
                outcome.reason,
                stats.queue_count,
                pause_seconds,
            )
        elif self._repeats.due("failing") is not None:
            self._log.warning(
                "delivery still fails after %.0f s (attempts: %d): %s; requests waiting: %d (%d of %d bytes); "
                "next attempt in %.1f s",
                now - self._failing_since,
                stats.failures_in_a_row,
                outcome.reason,
                stats.queue_count,
                stats.queue_bytes,
                stats.queue_bytes_max,
                pause_seconds,
            )

    def _delivered(self, outcome: Delivered, before: Stats) -> None:
        if not self._delivered_before:
            self._delivered_before = True
            self._failing_since, self._failure_said = None, False
            self._log.info("first delivery; requests that were waiting: %d", before.queue_count)
        self._recovered(before)
        if (outcome.rejected_points or outcome.message) and self._repeats.due("remark") is not None:
            self._log.warning(
                "the collector took a request with a remark; data points that it left out: %d; it says: %s",
                outcome.rejected_points,
                outcome.message or "nothing",
            )

    def _recovered(self, before: Stats) -> None:
        """Somebody answers again, be it by a refusal."""
        if self._failing_since is not None and self._failure_said:
            self._log.info(
                "delivery works again after %.1f s; requests that were waiting: %d",
                self._clock() - self._failing_since,
                before.queue_count,
            )
        self._failing_since, self._failure_said = None, False

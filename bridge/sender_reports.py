"""What the sender says in the log: changes of state at once, repeats once a minute, each with what happens next.

A collector that comes and goes every second must not fill the log: a failure is said at most every 10 s, and a recovery
only after a failure that was said.
"""

from __future__ import annotations

import logging

from bridge.delivery import Broken, Stats
from bridge.otlp import Delivered, Outcome
from bridge.outbox import INTERNAL_ERROR, QUEUE_FULL, REFUSED, TOO_LARGE

REPEAT_SECONDS = 60.0
FLAP_SECONDS = 10.0

_DROPS = {
    QUEUE_FULL: "the queue is full and the oldest made room",
    TOO_LARGE: "larger than the whole queue may be",
    REFUSED: "refused by the collector for good",
    INTERNAL_ERROR: "sending broke our own code again and again",
}


class SenderReports:
    """Turns outcomes into log lines. Used by the sender's thread alone."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._failing_since: float | None = None
        self._failure_said = False
        self._delivered_before = False
        self._next_lines: dict[str, float] = {}
        self._dropped_said: dict[str, int] = dict.fromkeys(_DROPS, 0)

    def outcome(self, outcome: Outcome | Broken, before: Stats, after: Stats, now: float) -> None:
        """Say what this outcome changed."""
        if after.failures_in_a_row:
            self._failure(outcome, after, now)
        elif not isinstance(outcome, Broken):
            self._success(outcome, before, now)
        self._drops(outcome, after, now)

    def broke(self, error: Exception, now: float) -> None:
        """Say with its traceback that our own code broke; delivery goes on."""
        if self._may_say("broke", now, REPEAT_SECONDS):
            self._log.error("delivery met an unexpected error; it rests for 1 s and goes on", exc_info=error)

    def _failure(self, outcome: Outcome | Broken, stats: Stats, now: float) -> None:
        reason = "" if isinstance(outcome, Delivered) else outcome.reason
        pause_seconds = max(0.0, stats.next_attempt_at - now)
        if self._failing_since is None:
            self._failing_since = now
        if not self._failure_said:
            if not self._may_say("failure", now, FLAP_SECONDS):
                return
            self._failure_said = True
            self._log.warning(
                "delivery fails: %s; requests waiting: %d; next attempt in %.1f s",
                reason,
                stats.queue_count,
                pause_seconds,
            )
            self._next_lines["failing"] = now + REPEAT_SECONDS
        elif self._may_say("failing", now, REPEAT_SECONDS):
            self._log.warning(
                "delivery still fails after %.0f s (attempts: %d): %s; requests waiting: %d (%d of %d bytes); "
                "next attempt in %.1f s",
                now - self._failing_since,
                stats.failures_in_a_row,
                reason,
                stats.queue_count,
                stats.queue_bytes,
                stats.queue_bytes_max,
                pause_seconds,
            )

    def _success(self, outcome: Outcome, before: Stats, now: float) -> None:
        failing_since, self._failing_since = self._failing_since, None
        said, self._failure_said = self._failure_said, False
        if not isinstance(outcome, Delivered):
            return  # refused: the collector is there, which _drops says
        if not self._delivered_before:
            self._delivered_before = True
            self._log.info("first delivery; requests that were waiting: %d", before.queue_count)
        elif said and failing_since is not None:
            self._log.info(
                "delivery works again after %.1f s; requests that were waiting: %d",
                now - failing_since,
                before.queue_count,
            )
        if (outcome.rejected_points or outcome.message) and self._may_say("rejected", now, REPEAT_SECONDS):
            self._log.warning(
                "the collector took a request with a remark; data points that it left out: %d; it says: %s",
                outcome.rejected_points,
                outcome.message or "nothing",
            )

    def _drops(self, outcome: Outcome | Broken, stats: Stats, now: float) -> None:
        for reason, why in _DROPS.items():
            new = stats.dropped[reason] - self._dropped_said[reason]
            if not new or not self._may_say(reason, now, REPEAT_SECONDS):
                continue
            self._dropped_said[reason] = stats.dropped[reason]
            said_by_collector = "" if reason != REFUSED or isinstance(outcome, Delivered) else f" ({outcome.reason})"
            self._log.warning("requests dropped: %d, %s%s; dropped so far: %d", new, why, said_by_collector, stats.lost)

    def _may_say(self, kind: str, now: float, pause_seconds: float) -> bool:
        if now < self._next_lines.get(kind, now):
            return False
        self._next_lines[kind] = now + pause_seconds
        return True

"""Keeps the spool in step with the queue, in a thread of its own: a disk that hangs delays nothing else.

One turn is: look at what is new and what is gone, tell the disk. It is woken when a call failed or is overdue, then by
each put and each outcome until nothing is on disk any more; else it sleeps and touches no disk.

A put that needs the disk waits for it in the time that the loop would sleep, and only for a part of that: so what was
put is on disk when put returns, and no reading comes late (docs/decisions/0006-a-put-is-on-disk.md).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from bridge.delivery import Waiting
from bridge.errors import SpoolError
from bridge.logs import Repeats
from bridge.outbox import Request
from bridge.spool import Spool, SpoolStats

PATIENCE_SECONDS_MAX = 0.25
"""A put waits no longer for the disk, however long the interval is: an end asked for meanwhile waits as well."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""After the disk refused, for the first, second, ... time in a row."""


LookAtQueue = Callable[[int], Waiting]
"""As `bridge.delivery.Delivery.waiting`, callable from the spool's thread."""
Restore = Callable[[Sequence[Request]], None]
"""Takes what an earlier run left behind. Called after each try to open the spool, with nothing where that failed."""


class Spooling:
    """See the module.

    Args:
        spool: from now on only this object touches it.
        clock: monotonic seconds.
        log: takes changes of state and rate-limited repeats.
        patience_seconds: how long a put may wait for the disk.
    """

    def __init__(
        self,
        spool: Spool,
        clock: Callable[[], float],
        log: logging.Logger,
        *,
        patience_seconds: float = PATIENCE_SECONDS_MAX,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._log = log
        self._repeats = Repeats(clock)
        self._look: LookAtQueue = lambda _: Waiting(False, (), 0)
        self._restore: Restore = lambda _: None
        self._patience_seconds = patience_seconds
        self._wakeup = threading.Event()
        self._answer = threading.Condition()
        self._asked = 0
        self._answered = 0.0  # the number of the last question that a turn has seen to
        self._ending = False
        self._failures = 0  # in a row
        self._not_before = 0.0
        self._evicted_said = 0
        self.failures = 0
        """Turns that the disk refused."""
        self.busy = False
        """Something is on disk, or about to be: outcomes are of interest."""
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    def start(self, look: LookAtQueue, restore: Restore) -> None:
        """Begin: what an earlier run left behind is read, and handed over.

        Raises:
            RuntimeError: no thread can be started.
        """
        self.attach(look, restore)
        self._thread.start()

    def attach(self, look: LookAtQueue, restore: Restore) -> None:
        """Say whose queue it keeps, for a caller who makes the turns itself."""
        self._look, self._restore = look, restore

    def wake(self) -> None:
        """Something changed. Never waits."""
        self._wakeup.set()

    def keep(self) -> None:
        """Something was put that is to be on disk: wait until it is, or the disk refused, or patience ends.

        A disk that was not done in time is not waited for again until it has caught up.
        """
        with self._answer:
            keeps_up = self._answered >= self._asked
            self._asked += 1
            asked = self._asked
            self.wake()
            if keeps_up:
                self._answer.wait_for(lambda: self._answered >= asked, self._patience_seconds)

    def stats(self) -> SpoolStats:
        """All figures of this moment; from another thread they may be those of the moment before."""
        return replace(self._spool.stats(), failures=self.failures)

    def stop(self, seconds: float) -> frozenset[int]:
        """Write what still waits, and end. Returns after so many seconds at the latest.

        Returns:
            The numbers of what is on disk for the next start.
        """
        self._ending = True
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return self._spool.kept()

    def turn(self) -> float | None:
        """Tell the disk what changed.

        Returns:
            Seconds until the next turn is due even if nobody wakes it; None: only when woken.
        """
        now = self._clock()
        if now < self._not_before and not self._ending:
            return self._not_before - now
        was_open = self._spool.is_open
        try:
            if not self._spool.is_open:
                self._open()
            self._spool.look()
            again = self._keep()
        except SpoolError as error:
            again = self._failed(error, now)
            # What was on disk and is no more is written again by the next turn; at the end there is none.
            return self.turn() if self._ending and was_open and not self._spool.is_open else again
        self._worked()
        return again

    def _keep(self) -> float | None:
        waiting = self._look(self._spool.written_through)
        self.busy = True  # before the disk is touched: an outcome that comes meanwhile must wake us again
        self._spool.acknowledge(waiting.gone_through)
        if waiting.newer:
            self._spool.write(waiting.newer)
            return 0.0  # that took a while: look again
        self.busy = waiting.endangered or not self._spool.is_empty
        return None

    def _open(self) -> None:
        found: Sequence[Request] = ()
        before = self._spool.stats()
        try:
            found = self._spool.open()
        finally:
            self._restore(found)
        stats = self._spool.stats()
        if stats != before and (stats.found or stats.damaged or stats.torn):
            self._log.log(
                logging.WARNING if stats.damaged else logging.INFO,
                "requests that an earlier run left in the spool: %d; they are sent first; records that were damaged: "
                "%d; segments with a torn end: %d",
                stats.found,
                stats.damaged,
                stats.torn,
            )

    def _failed(self, error: SpoolError, now: float) -> float | None:
        pause_seconds = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failures += 1
        self.failures += 1
        self._not_before = now + pause_seconds
        if self._repeats.due("failed") is not None:
            self._log.warning(
                "the spool folder %s; what waits is in memory alone; next try in %.0f s (failed tries: %d)",
                error,
                pause_seconds,
                self.failures,
            )
        return None if self._ending else pause_seconds

    def _worked(self) -> None:
        if self._failures:
            self._failures = 0
            self._repeats.forget("failed")
            self._log.info("the spool folder works again")
        evicted = self._spool.evicted
        if evicted > self._evicted_said and self._repeats.due("evicted") is not None:
            self._log.warning(
                "the spool is full (%d bytes): requests that are in memory alone now: %d",
                self._spool.size_max_bytes,
                evicted - self._evicted_said,
            )
            self._evicted_said = evicted

    def _run(self) -> None:
        while True:
            ending, asked = self._ending, self._asked
            try:
                again = self.turn()
            except Exception:  # noqa: BLE001 - whatever it is, the spool must not end silently
                again = self._broke()
            if again != 0.0:  # else it looks again, as it has just written
                self._answer_up_to(asked)
            if ending and again is None:
                break
            self._wakeup.wait(again)
            self._wakeup.clear()
        self._answer_up_to(inf)  # nobody answers any more
        self._close()

    def _answer_up_to(self, asked: float) -> None:
        with self._answer:
            self._answered = asked
            self._answer.notify_all()

    def _broke(self) -> float | None:
        self.failures += 1
        try:
            if self._repeats.due("broke") is not None:
                self._log.exception("the spool met an unexpected error; it rests for a while and goes on")
        except Exception:  # noqa: BLE001, S110 - the log itself broke; there is nobody left to tell
            pass
        self._not_before = self._clock() + RETRY_SECONDS[-1]
        return None if self._ending else RETRY_SECONDS[-1]

    def _close(self) -> None:
        try:
            self._spool.close()
        except SpoolError as error:
            self._log.warning("the spool folder %s", error)

"""The one thread beside the loop: it drives `bridge.delivery` through a transport.

One turn is: ask what is next, then send it or wait, then tell the outcome. The loop's thread only puts: it compresses,
holds a lock for some microseconds, and never waits for the network (for a spool's disk a moment, see put). The sender
is woken by a pipe: by a put only when it waits for one, by stop always, also out of a call in flight, whose `Patience`
is then shorter than it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING

from bridge import otlp, packing
from bridge.bulletins import OVERDUE_SECONDS, Bulletins
from bridge.delivery import Broken, Delivery, Done, Send, Stats, Wait, Waiting
from bridge.outbox import Request
from bridge.sender_reports import SenderReports
from bridge.transports import Transport
from bridge.wakeup import Wakeup

if TYPE_CHECKING:
    from bridge.spooling import Spooling

_JOIN_GRACE_SECONDS = 0.25
_HOLD_SECONDS = 1.0
"""For so long what is new waits at the start for what an earlier run left on disk. Reading a full spool takes 0.2 s."""
_SPOOL_FIRST_SECONDS = 0.5
"""What waits for so long at the end is put on disk while delivery goes on being tried."""


class Sender:
    """Delivers what is put, in the background, until it is stopped.

    Args:
        delivery: the queue and its rules; from now on only this object touches it.
        transport: makes the calls, in the sender's thread alone.
        clock: monotonic seconds, the clock that the transport's deadlines are on.
        log: takes changes of state and rate-limited repeats.
        rest_seconds: the pause after an unexpected error of our own code.
        overdue_seconds: so long after the last bulletin one leaves although something waits.
        spooling: keeps what waits on disk while delivery fails; None: memory alone.
    """

    def __init__(
        self,
        delivery: Delivery,
        transport: Transport,
        clock: Callable[[], float],
        log: logging.Logger,
        *,
        rest_seconds: float = 1.0,
        overdue_seconds: float = OVERDUE_SECONDS,
        spooling: Spooling | None = None,
    ) -> None:
        self._delivery = delivery
        self._transport = transport
        self._clock = clock
        self._reports = SenderReports(log, clock)
        self._lock = threading.Lock()
        self._wakeup = Wakeup()
        self._waits_for_put = False
        self._bulletins = Bulletins(clock, overdue_seconds)
        self._drains = False
        self._number = 0
        self._packing = packing.Packing()
        self._rest_seconds = rest_seconds
        self._rest_ends = threading.Event()
        self._spooling = spooling
        # A daemon: should a transport break its contract and hang, the process can still end inside its budget.
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(
        self, bulletin: Callable[[], bytes | None] | None = None, *, quiet_seconds_max: float | None = None
    ) -> None:
        """Begin to deliver.

        Args:
            bulletin: gives what the bridge says of itself, encoded, or None for not now. Asked right after a delivery
                when nothing waits; sent once, whatever comes of it, and taken back when the job's data comes. Where
                something always waits, or one was taken back, every `bridge.bulletins.OVERDUE_SECONDS`.
            quiet_seconds_max: a bulletin is asked for also when nothing waits and for so long nothing was delivered and
                none was asked for: else nobody could see from outside a bridge whose file never comes. None: never.

        Raises:
            RuntimeError: no thread can be started, or it was started before.
        """
        self._bulletins.start(bulletin, quiet_seconds_max)
        if self._spooling is not None:
            self._delivery.hold(self._clock(), _HOLD_SECONDS)
            self._spooling.start(self._waiting, self._restore)
        self._thread.start()

    def put(self, encoded: bytes) -> None:
        """Hand over one encoded ExportMetricsServiceRequest. After stop it is lost.

        Never waits for the network. With a spool, while delivery fails, it is on disk when this returns, if the disk
        answers in time: see `bridge.spooling.Spooling.keep`.
        """
        self._number += 1
        # A look without the lock: should it be wrong, a request is larger or smaller than it might be.
        request = self._packing.wrap(self._number, encoded) if self._waits_for_put else None
        if request is None or not self._delivery.fits(request):
            request = self._packing.pack(self._number, encoded)
        with self._lock:
            self._delivery.put(request, self._clock())
            wake, self._waits_for_put = self._waits_for_put, False
            endangered = self._delivery.endangered
        if wake:
            self._wakeup.wake()
        if endangered and self._spooling is not None:
            self._spooling.keep()

    @property
    def is_alive(self) -> bool:
        """Whether it still delivers: from start until it was stopped."""
        return self._thread.is_alive()

    def stats(self) -> Stats:
        """All figures of this moment."""
        with self._lock:
            return self._delivery.stats()

    def stop(self, budget_seconds: float) -> Stats:
        """Drain and end. Returns when all is delivered or the budget is spent, 0.25 s later at the latest.

        With a spool that is 0.5 s later, and what could not be delivered is counted as spooled where it is on disk;
        else it is lost by shutdown. A second stop returns the same figures.
        """
        self._begin_drain(budget_seconds)
        self._join(max(0.0, budget_seconds) + _JOIN_GRACE_SECONDS)
        stats = self._count()
        if not self._thread.is_alive():
            self._wakeup.close()  # a thread that hangs may still look at it
        return stats

    def _begin_drain(self, budget_seconds: float) -> None:
        self._drains = True
        with self._lock:
            self._delivery.stop(self._clock(), budget_seconds)
            self._waits_for_put = False
        self._wakeup.wake()
        self._rest_ends.set()

    def _join(self, seconds: float) -> None:
        if self._thread.ident is None:
            return
        if self._spooling is not None:
            first_seconds = min(seconds, _SPOOL_FIRST_SECONDS)
            self._thread.join(first_seconds)
            seconds -= first_seconds
            if self._thread.is_alive():
                self._spool_what_waits()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _spool_what_waits(self) -> None:
        with self._lock:
            self._delivery.endangered = True
        if self._spooling is not None:
            self._spooling.wake()

    def _count(self) -> Stats:
        spooled: frozenset[int] = frozenset()
        if self._spooling is not None:
            self._spool_what_waits()
            spooled = self._spooling.stop(_JOIN_GRACE_SECONDS)
        with self._lock:
            self._delivery.abandon(spooled)
            return self._delivery.stats()

    # What the spool's thread asks for.

    def _waiting(self, newer_than: int) -> Waiting:
        with self._lock:
            return self._delivery.waiting(newer_than)

    def _restore(self, requests: Sequence[Request]) -> None:
        with self._lock:
            self._delivery.restore(requests)
            self._waits_for_put = False  # a bulletin makes way for them, too
        self._wakeup.wake()

    def _run(self) -> None:
        while True:
            try:
                if not self._turn():
                    break
            except Exception as error:  # noqa: BLE001 - whatever it is, delivery must not end silently
                self._broke(error)
        self._close()

    def _turn(self) -> bool:
        """Do what is next; False at the end."""
        with self._lock:
            step = self._delivery.next_step(self._clock())
            self._waits_for_put = isinstance(step, Wait) and step.seconds is None
            due_at = self._delivery.due_at()
        if isinstance(step, Done):
            return False
        if isinstance(step, Wait):
            self._reports.drops(self.stats())  # where all that is put is dropped, no outcome would ever tell
            seconds = self._bulletins.quiet_for_more_seconds(due_at) if step.seconds is None else step.seconds
            if step.seconds is None and (self._bulletins.may_go or seconds == 0.0):
                if self._send_bulletin(lambda: self._waits_for_put):
                    return True  # something may have come meanwhile
                seconds = self._bulletins.quiet_for_more_seconds(due_at)
            self._transport.idle(self._wakeup.fileno(), seconds)
            self._wakeup.clear()
        else:
            began = self._clock()
            outcome = self._send(step)
            self._tell(outcome, self._clock() - began)
            if self._bulletins.is_overdue:
                self._send_bulletin(lambda: not self._drains)
        return True

    def _send(self, step: Send) -> otlp.Outcome:
        bodies = [packing.unpack(request) for request in step.requests]
        return otlp.export(self._transport, bodies, _CallPatience(self._call_ends_at, self._wakeup))

    def _call_ends_at(self) -> float:
        with self._lock:
            return self._delivery.call_ends_at()

    def _send_bulletin(self, goes_on: Callable[[], bool]) -> bool:
        """Send it where there is one, while it may go on; False: there was none, and no time has passed."""
        newest = self._number
        try:
            encoded = self._bulletins.ask()
            if encoded is None:
                return False
            ends_at = self._bulletins.call_ends_at
            patience = _CallPatience(lambda: ends_at if goes_on() else -inf, self._wakeup)
            outcome = otlp.export(self._transport, [encoded], patience)
            delivered = isinstance(outcome, otlp.Delivered)
            self._bulletins.tell_own(delivered=delivered, crowded=self._number != newest)
            self._reports.bulletin(outcome)
        except Exception as error:  # noqa: BLE001 - it must not cost the job's data anything
            self._reports.broke(error)
        return True

    def _tell(self, outcome: otlp.Outcome | Broken, call_seconds: float = 0.0) -> None:
        self._bulletins.tell(delivered=isinstance(outcome, otlp.Delivered), seconds=call_seconds)
        with self._lock:
            before = self._delivery.stats()
            self._delivery.outcome(outcome, self._clock())
            after = self._delivery.stats()
            endangered = self._delivery.endangered
        if self._spooling is not None and (endangered or self._spooling.busy):
            self._spooling.wake()
        self._reports.outcome(outcome, before, after)

    def _broke(self, error: Exception) -> None:
        """Something raised what nothing there should raise: say it, count it, rest, go on."""
        try:
            self._reports.broke(error)
            self._tell(Broken(f"{type(error).__name__}: {error}"))
        except Exception:  # noqa: BLE001, S110 - the report itself broke; there is nobody left to tell
            pass
        # Neither by the transport nor by the pipe: one of them may be what broke. Stop ends this rest, once.
        self._rest_ends.wait(self._rest_seconds)
        self._rest_ends.clear()

    def _close(self) -> None:
        try:
            self._transport.close()
        except Exception as error:  # noqa: BLE001 - as in _run
            self._reports.broke(error)


class _CallPatience:
    """How long the call in flight may still take. Looking at the deadline takes the wake-up that asked for the look."""

    def __init__(self, ends_at: Callable[[], float], wakeup: Wakeup) -> None:
        self._ends_at = ends_at
        self._wakeup = wakeup

    def deadline(self) -> float:
        self._wakeup.clear()
        return self._ends_at()

    def fileno(self) -> int:
        return self._wakeup.fileno()

"""The rules of delivery, as a state machine without thread, clock or socket.

::

    put(request, now)        what the loop hands over; the oldest makes room and is counted
    next_step(now)           Send | Wait | Done: what the sender is to do
    outcome(result, now)     what came of the last Send
    stop(now, budget)        drain: what waits leaves at once; Done when nothing is left or the budget is spent
    abandon(spooled)         the end: what is left is counted

What holds at every step:

- Each request put is delivered at least once, or counted as dropped by its reason, or still here (`bridge.outbox`), or,
  at the end, on disk for the next start.
- Requests leave in the order in which they came, and again only after a call that did not end in a delivery.
- After a failed call one request alone probes; each success doubles what leaves together. So an outage costs one small
  call a try, a lost answer after the first sends one request twice and not hundreds, and a narrow band finds its width.
- A refused run is halved until the bad request is alone, which is dropped. Where a collector refuses whatever it is
  sent, calls are paced like those after lost connections, once `Bounds.refusals_at_once` came in a row.

For the spool it says what is endangered, and what is new, gone, or came from an earlier run; it knows no disk.

Times are seconds on one monotonic clock, whose value comes in as ``now``. Not thread-safe: the caller holds a lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from random import Random
from typing import NamedTuple

from bridge.otlp import Busy, Delivered, Outcome, Refused, Unreachable
from bridge.outbox import INTERNAL_ERROR, REFUSED, Outbox, Request

RESOLUTION_SECONDS = 0.001
"""What is due within this is due now: poll() counts in milliseconds, and a shorter wait is a turn for nothing."""

OVERDUE_SECONDS = 0.9
"""A call that has taken so long counts as failing when something is put: what is put a second after it began is to be
as safe as what is put a second after it failed."""


class Bounds(NamedTuple):
    """How much waits, how much leaves together, and how long after what.

    The defaults hold 24 h at a 10 s interval (8640 requests) with room to spare. A request of the nine metrics with
    real names and labels has 2.2 kB, compressed 0.23 kB, with its overhead 0.47 kB: a full day takes 3.9 MiB.
    """

    count: int = 10_000  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    """Requests, those in flight included: 27.8 h at 10 s."""
    bytes: int = 10 * 1024 * 1024
    """Of memory, overhead and what is in flight included: 10 000 requests of up to 800 B compressed, three times what
    the nine metrics need. It is what the bridge has left below the 34 MiB of its promise."""
    batch_bytes: int = 256 * 1024
    """Uncompressed, of one call: larger ones cost memory (18 MiB of peak for 3.9 MiB). A larger request goes alone."""
    call_seconds: float = 10.0
    """Deadline of a call: the default of OTEL_EXPORTER_OTLP_TIMEOUT."""
    reconnect_seconds: float = 1.0
    """After a lost connection, +-20 %: with the time of a connect, a first arrival within 2 s of the recovery."""
    busy_first_seconds: float = 1.0
    """Longest pause after the first answer that asks for patience; each further one in a row doubles it."""
    busy_seconds_max: float = 5.0
    """Where that doubling ends."""
    retry_info_seconds_max: float = 60.0
    """Longest pause that a collector can ask for by RetryInfo: a mistake there must not silence the bridge."""
    refusals_at_once: int = 16
    """Refusals in a row without a pause: more than the halving of a full batch needs (9 for 256 requests)."""
    breaks_before_drop: int = 30
    """Times in a row that our own code may break on one request alone (about 30 s) before it is dropped."""


class Send(NamedTuple):
    """Send these in one call, then tell the outcome."""

    requests: tuple[Request, ...]
    timeout_seconds: float
    """From now. A stop can make it shorter meanwhile: see `Delivery.call_ends_at`."""


class Wait(NamedTuple):
    """Nothing to do for so long; None: until something is put, or stop."""

    seconds: float | None


class Done(NamedTuple):
    """Drained, or the budget is spent: no further call is made. `Delivery.abandon` counts what is left."""


class Broken(NamedTuple):
    """An outcome beside OTLP's: our own code around the call raised what nothing there should raise."""

    reason: str


class Stats(NamedTuple):
    """What happened so far, and what waits. Counts are of requests where nothing else is said."""

    put: int
    delivered: int
    """Acknowledged, those with rejected points included."""
    dropped: Mapping[str, int]
    """By each of `bridge.outbox.DROP_REASONS`."""
    spooled: int
    """Left behind on disk for the next start, and not lost; 0 before the end."""
    restored: int
    """Of those put: found on disk at the start."""
    rejected_points: int
    """Data points that the collector left out of what it took (partial success)."""
    calls: Mapping[str, int]
    """By gRPC status name; NO_ANSWER where none came, INTERNAL_ERROR where our own code broke."""
    queue_count: int
    """In flight and waiting."""
    queue_bytes: int
    queue_count_max: int
    queue_bytes_max: int
    in_flight: int
    failures_in_a_row: int
    """Calls that were to be repeated, since the last one that was taken or refused for good."""
    refusals_in_a_row: int
    """Calls that were refused for good, since the last one that was taken."""
    next_attempt_at: float
    """Not before this time; -inf before the first call."""
    last_delivery_at: float | None

    @property
    def lost(self) -> int:
        """All that was dropped, for whatever reason."""
        return sum(self.dropped.values())


class Waiting(NamedTuple):
    """What a spool has to know of the queue."""

    endangered: bool
    """What is newer is to be on disk."""
    newer: Sequence[Request]
    """All that is here and newer than what was asked for, in flight included."""
    gone_through: int
    """Everything up to this number has left: delivered or dropped."""


class Delivery:
    """See the module. Each rule is one small method."""

    def __init__(self, bounds: Bounds, random: Random) -> None:
        self._bounds = bounds
        self._random = random
        self._outbox = Outbox(bounds.count, bounds.bytes)
        self._width = bounds.count  # how many may leave together
        self._suspects = 0  # how many of the oldest were in a refused run
        self._not_before = self._held_until = self._call_began_at = self._call_ends_at = -inf
        self._drain_ends_at: float | None = None
        self._done = False
        self._abandoned_at: int | None = None  # so far everything was gone at `abandon`
        self._failures = self._busy = self._refusals = self._breaks = 0  # each in a row
        self._newest_number = 0
        self._restored: Sequence[Request] = ()
        self._restored_count = 0
        self._carries_all = False  # the call in flight has everything that was here when it began
        self.endangered = False
        """A call failed or is overdue, and none has carried and delivered all that waited since."""
        self._rejected_points = 0
        self._last_delivery_at: float | None = None
        self._calls: dict[str, int] = {}

    def fits(self, request: Request) -> bool:
        """Whether it could wait in an empty queue; needs no lock."""
        return request.cost_bytes <= self._bounds.bytes

    def put(self, request: Request, now: float) -> None:
        """Take a request, make room for it, and count what had to go."""
        gone = self._outbox.put(request)
        self._newest_number = request.number
        self._suspects = max(0, self._suspects - gone)
        if self._outbox.in_flight and now - self._call_began_at >= OVERDUE_SECONDS:
            self.endangered = True

    def hold(self, now: float, seconds: float) -> None:
        """Send nothing until `restore` was called, or for so long: what an earlier run left behind goes first."""
        self._held_until = now + seconds

    def restore(self, requests: Sequence[Request]) -> None:
        """Take what an earlier run left behind, in its order; it goes before all that is here.

        After `abandon` it stays on disk for the next start: a slow disk may find it only then.
        """
        if self._abandoned_at is not None:
            if requests:
                self._abandoned_at = min(self._abandoned_at, requests[0].number - 1)
            return
        self._restored = (*requests, *self._restored)
        self._held_until = -inf

    def waiting(self, newer_than: int) -> Waiting:
        """What is here and newer than that number, and how far back everything is gone.

        After `abandon` nothing is new, and no more is gone than was then: what was given up here stays on disk.
        """
        if self._abandoned_at is not None:
            return Waiting(False, (), self._abandoned_at)
        newer = self._outbox.newer_than(newer_than) if self.endangered else ()
        return Waiting(self.endangered, newer, self._gone_through())

    def next_step(self, now: float) -> Send | Wait | Done:
        """Say what to do now.

        Raises:
            RuntimeError: the outcome of the last Send was not told.
        """
        if self._outbox.in_flight:
            raise RuntimeError("a call is in flight: its outcome comes before the next step")
        self._take_restored()
        self._done = self._done or self._drain_is_over(now)
        if self._done:
            return Done()
        if not self._outbox.waits:
            return Wait(None)
        if self.due_at() - now > RESOLUTION_SECONDS:
            return Wait(self.due_at() - now)
        self._call_began_at = now
        self._call_ends_at = now + self._bounds.call_seconds
        requests = self._outbox.take(self._width, self._bounds.batch_bytes)
        self._carries_all = not self._outbox.waits
        return Send(requests, self.call_ends_at() - now)

    def outcome(self, result: Outcome | Broken, now: float) -> None:
        """Take what came of the last Send. Where nothing is in flight (after `abandon`), it is only counted."""
        name = "INTERNAL_ERROR" if isinstance(result, Broken) else result.status or "NO_ANSWER"
        self._calls[name] = self._calls.get(name, 0) + 1
        if not self._outbox.in_flight:
            return
        if isinstance(result, Delivered):
            self._was_delivered(result, now)
        elif isinstance(result, Refused):
            self._was_refused(now)
        elif isinstance(result, Busy):
            self._was_put_off(now + self._busy_pause(result.after_seconds))
        elif isinstance(result, Unreachable):
            self._busy = 0
            self._was_put_off(now + self._reconnect_pause())
        else:
            self._was_broken(now)
        if not isinstance(result, Delivered):
            self.endangered = self._outbox.waits

    def stop(self, now: float, budget_seconds: float) -> None:
        """Drain from here on: the pause ends, and all must end inside the budget. A later call can only shorten it."""
        if self._done:
            return
        ends_at = now + max(0.0, budget_seconds)
        self._drain_ends_at = ends_at if self._drain_ends_at is None else min(self._drain_ends_at, ends_at)
        self._not_before = now
        self._refusals = 0

    def abandon(self, spooled: Collection[int] = ()) -> None:
        """End at once: what is left, in flight included, is lost by shutdown unless spooled; every step is Done.

        Args:
            spooled: numbers of requests that are on disk.
        """
        if self._abandoned_at is None:
            self._abandoned_at = self._gone_through()
            self._restored = ()
        self._outbox.close(spooled)
        self._done = True

    def call_ends_at(self) -> float:
        """When the call in flight must have ended; stop can bring it nearer."""
        return self._call_ends_at if self._drain_ends_at is None else min(self._call_ends_at, self._drain_ends_at)

    def due_at(self) -> float:
        """No call is made before this time: a pause, or what an earlier run left behind is still being read."""
        return max(self._not_before, self._held_until)

    def stats(self) -> Stats:
        """All figures of this moment."""
        outbox = self._outbox
        return Stats(
            put=outbox.put_count,
            delivered=outbox.delivered_count,
            dropped=outbox.dropped_counts.copy(),
            spooled=outbox.spooled_count,
            restored=self._restored_count,
            rejected_points=self._rejected_points,
            calls=self._calls.copy(),
            queue_count=len(outbox),
            queue_bytes=outbox.cost_bytes,
            queue_count_max=outbox.count_max,
            queue_bytes_max=outbox.bytes_max,
            in_flight=len(outbox.in_flight),
            failures_in_a_row=self._failures,
            refusals_in_a_row=self._refusals,
            next_attempt_at=self.due_at(),
            last_delivery_at=self._last_delivery_at,
        )

    def _gone_through(self) -> int:
        oldest = self._restored[0] if self._restored else self._outbox.oldest()
        return self._newest_number if oldest is None else oldest.number - 1

    def _take_restored(self) -> None:
        if self._restored:
            self._outbox.restore(self._restored)
            self._restored_count += len(self._restored)
            self._restored = ()
            self._suspects = 0

    def _drain_is_over(self, now: float) -> bool:
        """Nothing left, or no time for another try: to wait for the end of the budget would deliver nothing."""
        if self._drain_ends_at is None:
            return False
        return not self._outbox.waits or max(now, self.due_at()) + RESOLUTION_SECONDS >= self._drain_ends_at

    def _was_delivered(self, result: Delivered, now: float) -> None:
        self._suspects = max(0, self._suspects - len(self._outbox.in_flight))
        self._outbox.acknowledge()
        if self._carries_all:
            self.endangered = False
        self._rejected_points += result.rejected_points
        self._last_delivery_at = self._not_before = now
        self._failures = self._busy = self._refusals = self._breaks = 0
        # Most likely the bad one is in the other half: halve that as well instead of sending it whole.
        self._width = (self._suspects + 1) // 2 if self._suspects else min(2 * self._width, self._bounds.count)

    def _was_refused(self, now: float) -> None:
        count = len(self._outbox.in_flight)
        self._outbox.put_back()
        self._failures = self._busy = self._breaks = 0
        self._refusals += 1
        self._not_before = now if self._refusals <= self._bounds.refusals_at_once else now + self._reconnect_pause()
        if count == 1:
            self._outbox.drop_oldest(REFUSED)
            self._suspects, self._width = 0, 1
        else:
            self._suspects, self._width = count, count // 2

    def _was_put_off(self, not_before: float) -> None:
        self._outbox.put_back()
        self._width = 1
        self._failures += 1
        self._not_before = not_before

    def _was_broken(self, now: float) -> None:
        """Our own code broke: retry as after a lost connection, but let no request block the queue for ever."""
        alone = len(self._outbox.in_flight) == 1
        self._was_put_off(now + self._reconnect_pause())
        self._breaks += 1
        if alone and self._breaks >= self._bounds.breaks_before_drop:
            self._outbox.drop_oldest(INTERNAL_ERROR)
            self._breaks = 0

    def _reconnect_pause(self) -> float:
        return self._bounds.reconnect_seconds * self._random.uniform(0.8, 1.2)

    def _busy_pause(self, after_seconds: float | None) -> float:
        """Between half of the doubled ceiling and all of it; what RetryInfo says and up to a tenth more."""
        ceiling = min(self._bounds.busy_first_seconds * 2.0**self._busy, self._bounds.busy_seconds_max)
        self._busy = min(self._busy + 1, 30)
        if after_seconds is None:
            return ceiling * self._random.uniform(0.5, 1.0)
        # Of 0 or less, or no number at all, RetryInfo must not make us call in a tight loop.
        shortest = self._bounds.busy_first_seconds / 2
        asked = max(shortest, after_seconds)
        return min(asked * self._random.uniform(1.0, 1.1), self._bounds.retry_info_seconds_max)

"""A bridge with a spool on fake time: the real sender, delivery, spooling and spool; a fake collector and a fake disk.

It is killed and stopped, and each time another one begins on what the disk holds. `SpoolWorld` keeps its own account of
what was put, what arrived and what had to be on disk, and raises `InvariantBrokenError` where it differs.
"""

from __future__ import annotations

import logging
import math
import re
import zlib
from collections.abc import Callable, Sequence
from random import Random

from bridge.delivery import OVERDUE_SECONDS, Delivery, Stats
from bridge.errors import TransportError
from bridge.otlp import RETRYABLE, STATUS_NAMES
from bridge.outbox import SHUTDOWN, Request
from bridge.packing import unpack
from bridge.sender import Sender
from bridge.spool import Spool
from bridge.spooling import RETRY_SECONDS, LookAtQueue, Restore, Spooling
from bridge.transports import Answer
from tests.simulation.delivery_model import InvariantBrokenError
from tests.simulation.fake_disk import FakeDisk, FakeFolder
from tests.simulation.fake_time import Agenda, FakeTransport, Killed, Reply, run
from tests.simulation.spool_schedules import SpoolSchedule, SpoolSpell

LATENCY_SECONDS = 0.02
"""From a wake-up to the turn of the spool's thread, at most."""
PROMISED_AFTER_SECONDS = 1.0
_WRITE_WITHIN_SECONDS = 3.0
_RECOVERY = (
    SpoolSpell("well", "ok", 90.0, "all-must-have-left", 1),
    SpoolSpell("well", "ok", 60.0, "end", 2),
)
_SILENT_LOG = logging.getLogger("simulated")
_SILENT_LOG.setLevel(logging.CRITICAL)


class TurnsOfItsOwn(Spooling):
    """The spool's thread as entries of the agenda."""

    def set_in(self, world: SpoolWorld) -> TurnsOfItsOwn:
        self.world = world
        self.turns = 0
        return self

    def start(self, look: LookAtQueue, restore: Restore) -> None:
        def noted(requests: Sequence[Request]) -> None:
            self.world.note_found(requests)
            restore(requests)

        self.attach(look, noted)
        self.wake()

    def wake(self) -> None:
        world = self.world
        world.agenda.at(world.agenda.now + world.random.uniform(0.0, LATENCY_SECONDS), self._turn_now)

    def keep(self) -> None:
        while (again := self._noted_turn()) == 0.0:
            pass
        self._wait(again)

    def stop(self, seconds: float) -> frozenset[int]:  # noqa: ARG002 - its turns take no time
        self._ending = True
        while self._noted_turn() is not None:
            pass
        self._close()
        return self._spool.kept()

    def _turn_now(self) -> None:
        self._wait(self._noted_turn())

    def _wait(self, again: float | None) -> None:
        if again is not None:
            turn = self.turns
            # A thread has one wait: another turn meanwhile makes this one void.
            self.world.agenda.at(
                self.world.agenda.now + again, lambda: self._turn_now() if self.turns == turn else None
            )

    def _noted_turn(self) -> float | None:
        self.turns += 1
        world = self.world
        turns_max = 4 * (world.puts_of_this_life + world.transport.calls + 10) + 2 * world.agenda.now
        if self.turns > turns_max:
            raise InvariantBrokenError("a storm of the spool's turns")
        return self.turn()


class SpoolWorld:
    """Runs one schedule. ``make_delivery`` and ``make_spool`` build what is under test."""

    def __init__(
        self,
        schedule: SpoolSchedule,
        make_delivery: Callable[..., Delivery] = Delivery,
        make_spool: Callable[..., Spool] = Spool,
        make_spooling: Callable[..., TurnsOfItsOwn] = TurnsOfItsOwn,
    ) -> None:
        self.schedule = schedule
        self.make = (make_delivery, make_spool, make_spooling)
        self.random = Random(schedule.seed)  # noqa: S311 - repeatable on purpose
        self.agenda = Agenda()
        self.disk = FakeDisk()
        self.spell = SpoolSpell("well", "ok", 0.0, "none", 0)
        self.bodies: dict[int, bytes] = {}
        self.put_at: dict[int, float] = {}
        self.arrived: dict[int, float] = {}
        self.newest_arrived = 0
        self.trouble_since = math.inf
        self.disk_well_since = 0.0
        self.excused: set[int] = set()
        self.here_at_end: set[int] = set()
        self.in_order = True  # until what an earlier run left behind could not be read at once
        self.demanded: set[int] = set()
        self.forbidden: set[int] = set()
        self.spooled: int | None = None
        self.lives = self.found_count = 0
        self.over = self.damaged = self.corrupted = False
        self.spells = iter((*schedule.spells, *_RECOVERY))

    def run(self) -> SpoolWorld:
        """Go to the end.

        Raises:
            InvariantBrokenError: with the time and what was not as it must be.
        """
        try:
            self._begin_life()
            self._next_spell()
            while not self.over:
                if run(self.sender):
                    self._stopped()
                elif not self.over:
                    self._killed()
                self.sender._wakeup.close()
                if not self.over:
                    self._begin_life()
                    self._next_spell()
        except InvariantBrokenError as broken:
            raise InvariantBrokenError(f"at {self.agenda.now:.3f} s: {broken}") from None
        return self

    # Lives of the bridge.

    def _begin_life(self) -> None:
        schedule = self.schedule
        make_delivery, make_spool, make_spooling = self.make
        self.lives += 1
        self.agenda.clear()
        self.trouble_since = self.call_began = math.inf
        self.found: set[int] = set()
        self.newest_here = 0
        self.told_delivered: dict[int, float] = {}
        self.transport = FakeTransport(self.agenda, self)
        self.delivery = make_delivery(schedule.bounds, Random(schedule.seed + self.lives))  # noqa: S311 - jitter
        self.spool = make_spool(FakeFolder(self.disk), schedule.spool_bytes_max)
        self.spooling = make_spooling(self.spool, self._clock, _SILENT_LOG).set_in(self)
        self.sender = Sender(self.delivery, self.transport, self._clock, _SILENT_LOG, spooling=self.spooling)
        self.puts_of_this_life = 0
        self.delivery.hold(self.agenda.now, 1.0)
        self.spooling.start(self.sender._waiting, self.sender._restore)
        self.agenda.at(self.agenda.now + self.random.uniform(0.0, 0.1), self._put)
        if self.disk.mood == "ok":
            self.disk_well_since = min(self.disk_well_since, self.agenda.now)

    def _clock(self) -> float:
        return self.agenda.now

    def _next_spell(self) -> None:
        spell = self.spell = next(self.spells)
        self.mood_random = Random(spell.seed)  # noqa: S311 - a spell's own, so that it is the same among others
        self.disk.become(spell.disk, Random(spell.seed + 1))  # noqa: S311 - as above
        if spell.disk != "ok":
            self.disk_well_since = math.inf
        elif self.disk_well_since == math.inf:
            self.disk_well_since = self.agenda.now + max(RETRY_SECONDS) + 1.0
        self.agenda.at(self.agenda.now + spell.seconds, self._end_of_spell)

    def _end_of_spell(self) -> None:
        match self.spell.ending:
            case "none":
                self._next_spell()
            case "stop":
                self.drain_ends = self.agenda.now + self.schedule.stop_budget_seconds
                self.sender._begin_drain(self.schedule.stop_budget_seconds)
                self.agenda.at(self.agenda.now + 0.5, self.sender._spool_what_waits)
            case "kill-in-write":
                self.disk.kill_in_write = True
                self.agenda.at(self.agenda.now + _WRITE_WITHIN_SECONDS, self._kill)
            case "all-must-have-left":
                self._check_all_left()
                self._next_spell()
            case "end":
                self._check_quiet()
                self.over = True
                raise Killed
            case _:
                raise Killed

    def _kill(self) -> None:
        raise Killed

    def _killed(self) -> None:
        """What must be found by the next life, and what must not."""
        now = self.agenda.now
        if now - self.call_began >= OVERDUE_SECONDS:
            self.trouble_since = min(self.trouble_since, self.call_began)
        self.disk.kill_in_write = False
        self.disk.holder = None
        here = self.here_at_end = self._here()
        in_write = _WRITE_WITHIN_SECONDS if self.spell.ending == "kill-in-write" else 0.0
        late = 2 * LATENCY_SECONDS + in_write
        if not self.spool.evicted:
            self.demanded |= self.found & here
            if self.disk_well_since < self.trouble_since:
                promised_after = self.trouble_since + PROMISED_AFTER_SECONDS
                self.demanded |= {one for one in here if promised_after < self.put_at[one] < now - in_write}
        self.forbidden |= {one for one, at in self.told_delivered.items() if self.disk_well_since < at < now - late}
        self.in_order = self.in_order and self.disk_well_since < now - late  # else what was dropped may come again
        self.spooled = None
        if self.spell.ending == "kill-and-corrupt" and self.disk.files:
            self._corrupt()

    def _here(self) -> set[int]:
        outbox = self.delivery._outbox
        return {self._id(request) for request in (*self.delivery._restored, *outbox.in_flight, *outbox._waiting)}

    def _corrupt(self) -> None:
        name = self.random.choice(sorted(self.disk.files))
        file = self.disk.files[name]
        if file:
            file[self.random.randrange(len(file))] ^= 1 << self.random.randrange(8)
            self.corrupted = True
            self.demanded, self.forbidden = set(), set()

    def _stopped(self) -> None:
        self._demand(self.agenda.now <= self.drain_ends + 0.01, "the drain took longer than its budget")
        self.here_at_end = self._here()
        stats = self.sender._count()
        self._check_account(stats, ended=True)
        self.spooled = None if self.spool.stats().damaged else stats.spooled
        self.in_order = self.in_order and self.disk_well_since < self.agenda.now  # as in _killed
        if self.disk_well_since < self.agenda.now - 40 and not self.spool.evicted:
            self._demand(stats.dropped[SHUTDOWN] == 0, "lost at the end although the disk is well")

    # The job's part.

    def _put(self) -> None:
        one = len(self.bodies) + 1
        size = self.random.randint(20, self.schedule.raw_bytes_max)
        digits = self.random.randrange(10**12)
        self.bodies[one] = (b"<%010d:%d>" % (one, digits)).ljust(size, b".")
        self.put_at[one] = self.agenda.now
        self.newest_here = one
        self.puts_of_this_life += 1
        self.sender.put(self.bodies[one])
        self._check_account(self.delivery.stats(), ended=False)
        self.agenda.at(self.agenda.now + self.schedule.put_seconds, self._put)

    # The collector's part.

    def reply(self, message: bytes) -> Reply:
        self.newest_at_call = self.newest_here
        self.call_began = self.agenda.now
        random, mood = self.mood_random, self.spell.mood
        quick = random.uniform(0.0005, 0.02)
        if mood == "refused":
            return Reply(TransportError("refused", may_have_arrived=False), quick, arrives=False)
        if mood == "silent":
            return Reply(Answer(0), math.inf, arrives=False)
        if mood == "lost-answers":
            return Reply(TransportError("reset", may_have_arrived=True), quick, arrives=random.random() < 0.7)
        if mood == "any-status":
            status = random.randint(0, 16)
            return Reply(Answer(status), quick, arrives=status == 0)
        if mood == "poisoned" and any(one % 13 == 5 for one in _ids(message)):
            return Reply(Answer(3), quick, arrives=False)
        return Reply(Answer(0), random.uniform(0.1, 12.0) if mood == "slow" else quick, arrives=True)

    def ended(self, message: bytes, *, began: float, arrived: bool, status: int | None) -> None:
        ids = _ids(message)
        self.call_began = math.inf
        if arrived:
            self._demand(message == b"".join(self.bodies[one] for one in ids), "what arrived is not what was put")
            for one in ids:
                self._arrive(one)
        if status == 0:
            self.told_delivered.update(dict.fromkeys(ids, self.agenda.now))
        refused = status is not None and status != 0 and STATUS_NAMES[status] not in RETRYABLE and len(ids) == 1
        if refused:
            self.excused.add(ids[0])
        if (status == 0 and ids[-1] >= self.newest_at_call) or (refused and ids[-1] == self.newest_here):
            self.trouble_since = math.inf
        elif status != 0 or self.agenda.now - began >= OVERDUE_SECONDS:
            self.trouble_since = min(self.trouble_since, began)

    def _arrive(self, one: int) -> None:
        if one in self.arrived:
            return
        if self.in_order and one not in self.excused:
            self._demand(one > self.newest_arrived, f"request {one} arrived first after {self.newest_arrived}")
        self.newest_arrived = max(self.newest_arrived, one)
        self.arrived[one] = self.agenda.now

    # What must hold.

    def note_found(self, requests: Sequence[Request]) -> None:
        """What the spool found in this life."""
        try:
            ids = [self._id(request) for request in requests]
        except zlib.error as error:
            raise InvariantBrokenError(f"what was found cannot be unpacked: {error}") from error
        self.found_count += len(ids)
        self._demand(ids == sorted(set(ids)), "found twice, or not in order")
        for request, one in zip(requests, ids, strict=True):
            self._demand(unpack(request) == self.bodies[one], "what was found is not what was put")
        if not self.spool.is_open:
            self.in_order = False  # it will come later
            return
        if self.spool.stats().damaged:
            self._demand(self.corrupted or self.disk.mood == "failing", "damaged, and nobody did any damage")
            self.damaged = True
            self.in_order = False  # what cannot be read now may be another time
            self.demanded, self.forbidden, self.spooled = set(), set(), None
        missing, again = sorted(self.demanded - set(ids)), sorted(self.forbidden & set(ids))
        self._demand(not missing, f"missing after the end: {missing}")
        self._demand(not again, f"on disk long after they were delivered: {again}")
        if self.spooled is not None:
            self._demand(len(ids) >= self.spooled, f"spooled {self.spooled}, found {len(ids)}")
        self.demanded, self.forbidden, self.spooled = set(), set(), None
        # Where the mark cannot be read, what was delivered long ago is found as well; another time it is not.
        # What made room while older ones were in flight is counted as dropped, and may yet come.
        self.excused |= set(ids) - self.here_at_end
        self.newest_here = max(self.newest_here, *ids, 0)
        self.found = set() if self.spool.stats().damaged else set(ids)

    def _check_account(self, stats: Stats, *, ended: bool) -> None:
        self._demand(
            stats.put == stats.delivered + stats.lost + stats.queue_count + stats.spooled,
            "a request is neither here nor counted",
        )
        self._demand(stats.put == self.puts_of_this_life + stats.restored, "puts were lost")
        self._demand(not ended or stats.queue_count == 0, "ended, and something is here")
        self._demand(
            self.damaged or self.disk.segment_bytes_max <= self.schedule.spool_bytes_max,
            "more bytes on disk than the bound",
        )

    def _check_all_left(self) -> None:
        self._demand(not self.delivery.endangered, "all is well, and still endangered")
        # A file that could not be read is left alone until the next start.
        self._demand(self.damaged or not self.disk.segments(), f"all is well, and on disk is {sorted(self.disk.files)}")
        self._demand(self.delivery.stats().queue_count <= 1, "all is well, and something is here")
        self.operations = self.disk.operations

    def _check_quiet(self) -> None:
        self._demand(self.disk.operations == self.operations, "the disk is touched although all is well")

    def _demand(self, holds: bool, what: str) -> None:
        if not holds:
            raise InvariantBrokenError(what)

    def _id(self, request: Request) -> int:
        return _ids(unpack(request))[0]


def _ids(message: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"<(\d{10}):", message)]

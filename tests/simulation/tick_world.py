"""Whole ticks on fake time: the loop's own functions, the sender's own turns; a fake file, clock and collector.

The file and the collector have moods. What each tick ought to say follows from what the file held at that moment; it is
compared with what arrives, request by request.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge.delivery import Bounds, Delivery
from bridge.errors import FileMissing, FileUnreadable, NotARegularFile, TransportError
from bridge.exit_rule import ExitRule
from bridge.freshness import SLIP_INTERVALS, Freshness
from bridge.instruments import Instruments, points_of
from bridge.intake import Intake
from bridge.logs import Repeats
from bridge.loop import Clock, Loop, next_due
from bridge.metrics_file import Identity, Reading
from bridge.sender import Sender
from bridge.snapshot import parse
from bridge.transports import Answer
from tests.simulation.delivery_model import InvariantBrokenError
from tests.simulation.fake_time import Agenda, FakeTransport, Reply, run

FILE_MOODS = ("writes", "writes-fast", "hangs", "missing", "broken", "torn", "forbidden", "a-folder", "new-job")
COLLECTOR_MOODS = ("well", "refused", "silent", "busy", "slow", "lost-answers")
STALE_SECONDS = 1800.0
WALL_START_SECONDS = 1_800_000_000
_RETRYABLE = (1, 4, 10, 11, 14, 15)
_SILENT_LOG = logging.getLogger("simulated")
_SILENT_LOG.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class TickSpell:
    """So long file and collector are in one mood each."""

    file: str
    collector: str
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class TickSchedule:
    """Everything that will happen; at the end all is well, and then the bridge is stopped."""

    seed: int
    interval_seconds: float
    spells: tuple[TickSpell, ...]


def draw_tick_schedule(seed: int, hours: float, interval_seconds: float = 10.0) -> TickSchedule:
    """So many hours of spells of some minutes, half of them good."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose

    def spells() -> Iterator[TickSpell]:
        left = hours * 3600
        while left > 0:
            seconds = round(min(left, random.expovariate(1 / 600)), 3)
            left -= max(seconds, 1.0)
            file = random.choice(("writes", random.choice(FILE_MOODS)))
            collector = random.choice(("well", random.choice(COLLECTOR_MOODS)))
            yield TickSpell(file, collector, seconds, random.randrange(10**6))

    return TickSchedule(seed, interval_seconds, tuple(spells()))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a tick ought to have said."""

    loss: float | None
    """Of the newest good reading; None where there is none of this job."""
    may_be_live: bool
    must_be_live: bool
    readings: int
    """Good ones of this job so far: what its histogram counts."""
    job: str


class FakeJob:
    """The file as it is at each moment: `read` is what `bridge.metrics_file.MetricsFile` gives."""

    def __init__(self, agenda: Agenda, random: Random) -> None:
        self._agenda = agenda
        self._random = random
        self.mood = "missing"
        self.number = self.written = 0
        self._data = b""
        self._identity = Identity(1, 1, 0)
        self.good: bytes | None = None  # what the last good look gave

    def become(self, mood: str) -> None:
        self.mood = mood
        if mood == "new-job":
            self.number += 1
        if mood in ("writes", "writes-fast", "new-job") or not self._data:
            self.write()

    def write(self) -> None:
        self.written += 1
        batch = self.written % 97 + 1
        document = {
            "job_metadata": {"job_id": f"job-{self.number}"},
            "training_metrics": {
                "epoch": self.written // 97 + 1,
                "batch_number": batch,
                "training_loss": self.written / 1e6,
                "processing_time_ms": 10 + batch,
            },
        }
        self._data = json.dumps(document).encode()
        self._identity = Identity(1, self.written, self._wall_ns())

    def read(self) -> Reading:
        match self.mood:
            case "missing":
                raise FileMissing("it is not there")
            case "forbidden":
                raise FileUnreadable("it cannot be read: Permission denied")
            case "a-folder":
                raise NotARegularFile("it is a folder")
            case "broken":
                data = self._data[: len(self._data) // 2]
                return Reading(data, Identity(1, -self.written, 0), self._agenda.now, self._wall_ns())
            case "torn" if self._random.random() < 0.4:
                half = self._data[: self._random.randrange(len(self._data))]
                identity = Identity(1, self.written, self._identity.mtime_ns - 1)
                return Reading(half, identity, self._agenda.now, self._wall_ns())
        self.good = self._data
        return Reading(self._data, self._identity, self._agenda.now, self._wall_ns())

    def _wall_ns(self) -> int:
        return int((WALL_START_SECONDS + self._agenda.now) * 1e9)


class TickWorld:
    """Runs one schedule. ``make_loop`` builds the loop under test."""

    def __init__(self, schedule: TickSchedule, make_loop: Callable[..., Loop] = Loop) -> None:
        self.schedule = schedule
        self.agenda = Agenda()
        self.random = Random(schedule.seed)  # noqa: S311 - repeatable on purpose
        self.job = FakeJob(self.agenda, self.random)
        self.spells = iter((*schedule.spells, TickSpell("writes", "well", 300.0, 0)))
        self.transport = FakeTransport(self.agenda, self)
        delivery = Delivery(Bounds(), Random(schedule.seed))  # noqa: S311 - jitter
        self.sender = Sender(delivery, self.transport, self._monotonic, _SILENT_LOG)
        self.loop = make_loop(**self._parts())
        self.expected: dict[int, Expected] = {}
        self.newest_arrived = self.ticks = self.handed_over = 0
        self.arrived: set[int] = set()
        self.totals: dict[tuple[str, str], tuple[int, float]] = {}
        self.bad_since: float | None = None
        self.news_at = -math.inf
        self.seen: bytes | None = None
        self.readings = 0
        self.job_seen = ""
        self.due = 0.0

    def run(self) -> TickWorld:
        """Go to the end.

        Raises:
            InvariantBrokenError: with the time and what was not as it must be.
        """
        self.agenda.at(0.0, self._next_spell)
        self.agenda.at(0.0, self._write_on)
        self.agenda.at(0.0, self._tick_on)
        try:
            run(self.sender)
            self.sender._wakeup.close()
            self._check_end()
        except InvariantBrokenError as broken:
            raise InvariantBrokenError(f"at {self.agenda.now:.3f} s: {broken}") from None
        return self

    def _parts(self) -> dict[str, object]:
        repeats = Repeats(self._monotonic)
        interval_seconds = self.schedule.interval_seconds
        return {
            "interval_seconds": interval_seconds,
            "intake": Intake(self.job, parse, lambda _: None),  # type: ignore[arg-type]  # it stands in for the file
            "freshness": Freshness(
                interval_seconds=interval_seconds, stale_after_seconds=STALE_SECONDS, repeats=repeats
            ),
            "instruments": Instruments({"service.name": "simulated"}, self._time_ns()),
            "hand_over": self._hand_over,
            "exit_rule": ExitRule(),
            "clock": Clock(self._monotonic, self._time_ns),
            "repeats": repeats,
        }

    def _monotonic(self) -> float:
        return self.agenda.now

    def _time_ns(self) -> int:
        return int((WALL_START_SECONDS + self.agenda.now) * 1e9)

    # What happens.

    def _next_spell(self) -> None:
        spell = next(self.spells, None)
        if spell is None:
            self._stop()
            return
        self.mood, self.mood_random = spell.collector, Random(spell.seed)  # noqa: S311 - a spell's own
        self.job.become(spell.file)
        self.agenda.at(self.agenda.now + spell.seconds, self._next_spell)

    def _write_on(self) -> None:
        if self.job.mood in ("writes", "writes-fast", "torn", "new-job"):
            self.job.write()
        self.agenda.at(self.agenda.now + (0.7 if self.job.mood == "writes-fast" else 23.0), self._write_on)

    def _tick_on(self) -> None:
        self._tick(self.loop.tick)
        self.due = next_due(self.due, self.agenda.now, self.schedule.interval_seconds)
        self.agenda.at(self.due, self._tick_on)

    def _stop(self) -> None:
        self._tick(self.loop.last_tick)
        self.sender._begin_drain(10.0)
        self.agenda.clear()

    def _tick(self, turn: Callable[[], None]) -> None:
        self.ticks += 1
        self.job.good = None
        handed_over = self.handed_over
        self.loop.guarded(turn)
        self._demand(self.loop.broken_ticks == 0, "a tick broke off")
        now = self.agenda.now
        if self.job.good is None:
            self.bad_since = now if self.bad_since is None else self.bad_since
        else:
            self.bad_since = None
            if self.job.good != self.seen:
                self._news(self.job.good)
        if self.seen is None:
            return
        self._demand(self.handed_over == handed_over + 1, "a tick without exactly one request")
        bad_seconds = 0.0 if self.bad_since is None else now - self.bad_since
        slip_seconds = SLIP_INTERVALS * self.schedule.interval_seconds
        self.expected[self._time_ns()] = Expected(
            loss=json.loads(self.seen)["training_metrics"]["training_loss"],
            may_be_live=bad_seconds <= slip_seconds and now - self.news_at <= STALE_SECONDS,
            must_be_live=self.bad_since is None and now - self.news_at <= STALE_SECONDS,
            readings=self.readings,
            job=self.job_seen,
        )

    def _news(self, data: bytes) -> None:
        job = json.loads(data)["job_metadata"]["job_id"]
        self.readings = self.readings + 1 if job == self.job_seen else 1
        self.seen, self.job_seen, self.news_at = data, job, self.agenda.now

    def _hand_over(self, encoded: bytes) -> None:
        self.handed_over += 1
        self.sender.put(encoded)

    # The collector's part.

    def reply(self, _message: bytes) -> Reply:
        random = self.mood_random
        quick = random.uniform(0.0005, 0.02)
        match self.mood:
            case "refused":
                return Reply(TransportError("refused", may_have_arrived=False), quick, arrives=False)
            case "silent":
                return Reply(Answer(0), math.inf, arrives=False)
            case "busy":
                return Reply(Answer(random.choice(_RETRYABLE)), quick, arrives=False)
            case "lost-answers":
                return Reply(TransportError("reset", may_have_arrived=True), quick, arrives=random.random() < 0.5)
            case "slow":
                return Reply(Answer(0), random.uniform(0.1, 9.0), arrives=True)
        return Reply(Answer(0), quick, arrives=True)

    def ended(self, message: bytes, *, began: float, arrived: bool, status: int | None) -> None:
        del began, status
        if arrived:
            for resource in ExportMetricsServiceRequest.FromString(message).resource_metrics:
                self._arrive(resource.scope_metrics[0].metrics)

    def _arrive(self, metrics: object) -> None:
        points = {metric.name: points_of(metric) for metric in metrics}  # type: ignore[attr-defined]  # protobuf's own list
        times = {point.time_unix_nano for of_metric in points.values() for point in of_metric}
        self._demand(len(times) == 1, "a request with points of several times")
        time = times.pop()
        if time in self.arrived:
            return
        self._demand(time > self.newest_arrived, "a request arrived first after a newer one")
        self.newest_arrived = time
        self.arrived.add(time)
        self._check_request(points, self.expected.pop(time))

    # What must hold.

    def _check_request(self, points: dict[str, object], expected: Expected) -> None:
        losses = [point for point in points.get("ml.training.loss", ()) if not point.flags]  # type: ignore[attr-defined]  # a point
        self._demand(len(losses) <= 1, "a gauge with two live series")
        if losses:
            self._demand(expected.may_be_live, "a broken, missing or stale file looks fresh")
            self._demand(losses[0].as_double == expected.loss, "a value that the file did not hold")
        else:
            self._demand(not expected.must_be_live, "a good file, and no gauge")
        counted = [point for point in points["ml.training.processing_time"] if not point.flags]  # type: ignore[attr-defined]  # as above
        self._demand([point.count for point in counted] == [expected.readings], "a reading not counted exactly once")
        for name in ("ml.training.batch_number", "ml.training.epoch"):
            for point in points[name]:  # type: ignore[attr-defined]  # as above
                if not point.flags:
                    self._check_total(name, point, expected.job)

    def _check_total(self, name: str, point: object, job: str) -> None:
        start, total = point.start_time_unix_nano, point.as_int or point.as_double  # type: ignore[attr-defined]  # a point
        before_start, before = self.totals.get((name, job), (start, 0.0))
        self._demand(start <= point.time_unix_nano, "a total that starts after its time")  # type: ignore[attr-defined]  # as above
        self._demand(start == before_start and total >= before, "a total that falls, or starts anew")
        self.totals[name, job] = (start, total)

    def _check_end(self) -> None:
        stats = self.sender._count()
        self._demand(stats.lost == 0, f"lost: {dict(stats.dropped)}")
        self._demand(not self.expected, f"requests that never arrived: {len(self.expected)}")
        self._demand(self.transport.idles <= 3 * (self.ticks + self.transport.calls), "a wake-up storm")

    def _demand(self, holds: bool, what: str) -> None:
        if not holds:
            raise InvariantBrokenError(what)

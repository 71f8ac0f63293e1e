"""Fake time around the real sender: calls and waits of its transport let time pass, and what is due meanwhile is done.

So the sender's own turns are the thread of events: `Stage.run` makes them one after the other, and puts, stops, kills
and the spool's turns happen inside the transport's `call` and `idle`, in the order of their times.
"""

from __future__ import annotations

import heapq
import math
import select
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from bridge.errors import TransportError
from bridge.sender import Sender
from bridge.transports import Answer, Patience


class Killed(BaseException):
    """SIGKILL: nothing of the bridge's may catch it."""


class Agenda:
    """What will be done, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, time: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(time, self.now), next(self._order), do))

    def step(self, until: float) -> bool:
        """Do the next thing that is due by then; False: there is none, and it is ``until``."""
        if not self._due or self._due[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, do = heapq.heappop(self._due)
        do()
        return True

    def clear(self) -> None:
        self._due.clear()


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes of a call that nobody cuts short."""

    answer: Answer | TransportError
    seconds: float
    """After which it comes; infinite: never."""
    arrives: bool
    """Whether the collector takes what was sent."""


class Collector(Protocol):
    """The other end."""

    def reply(self, message: bytes) -> Reply:
        """Decide on a call that begins now."""
        ...

    def ended(self, message: bytes, *, began: float, arrived: bool, status: int | None) -> None:
        """A call is over: whether the message was taken, and what the bridge was told; None: no answer."""
        ...


class FakeTransport:
    """Keeps the transports' contract on fake time."""

    def __init__(self, agenda: Agenda, collector: Collector) -> None:
        self._agenda = agenda
        self._collector = collector
        self.calls = self.idles = 0

    def call(self, message: bytes, patience: Patience) -> Answer:
        self.calls += 1
        agenda, began = self._agenda, self._agenda.now
        reply = self._collector.reply(message)
        while agenda.now < (ends := min(began + reply.seconds, patience.deadline())) and agenda.step(ends):
            pass
        answer = reply.answer
        if agenda.now < began + reply.seconds:
            answer = TransportError("no answer in time", may_have_arrived=True)
        arrived = reply.arrives and reply.seconds < math.inf
        status = answer.status if isinstance(answer, Answer) else None
        self._collector.ended(message, began=began, arrived=arrived, status=status)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        self.idles += 1
        ends = self._agenda.now + (math.inf if seconds is None else seconds)
        poll = select.poll()
        poll.register(wakeup_fileno, select.POLLIN)
        while not poll.poll(0) and self._agenda.step(ends) and self._agenda.now < ends:
            pass

    def close(self) -> None:
        pass


def run(sender: Sender) -> bool:
    """Make the sender's turns until it is done (True) or killed (False)."""
    try:
        while sender._turn():
            pass
    except Killed:
        return False
    return True

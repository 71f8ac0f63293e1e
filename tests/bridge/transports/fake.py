"""A transport without a wire, for tests of what stands above; it keeps the contract as the real ones do."""

from __future__ import annotations

import contextlib
import math
import select
import threading
import time
from collections.abc import Callable

from bridge.errors import TransportError
from bridge.transports import Answer, Patience
from bridge.transports.waiting import OutOfTimeError, Waiting


class FakeTransport:
    """Calls end as ``self.answer`` says; idle waits for real."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes, Patience], Answer] = lambda _message, _patience: Answer(0)
        self.messages: list[bytes] = []
        self.calls = 0
        self.idles = 0
        self.closed = False
        self.threads: set[str] = set()

    def call(self, message: bytes, patience: Patience) -> Answer:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        if patience.deadline() <= time.monotonic():
            raise TransportError("time was over", may_have_arrived=False)
        answer = self.answer(message, patience)
        if answer.status == 0:
            self.messages.append(message)
        return answer

    def idle(self, wakeup_fileno: int, seconds: float | None) -> None:
        self.idles += 1
        select.select([wakeup_fileno] if wakeup_fileno >= 0 else [], [], [], seconds)

    def close(self) -> None:
        self.closed = True


def refuse_connection(_message: bytes, _patience: Patience) -> Answer:
    raise TransportError("connection refused", may_have_arrived=False)


def hang_up(_message: bytes, _patience: Patience) -> Answer:
    raise TransportError("the peer closed the connection", may_have_arrived=True)


def stay_silent(_message: bytes, patience: Patience) -> Answer:
    """Answer never: wait until the deadline, and look again whenever the patience says so."""
    waiting = Waiting(patience, time.monotonic)
    with contextlib.suppress(OutOfTimeError):
        waiting.wait(-1, 0, math.inf)
    raise TransportError("no answer by the deadline", may_have_arrived=True)

"""Locust's file: each user is a sidecar of its own, on an open schedule. `python -m benchmarks.load` runs it.

It also runs on Locust's own master and workers: give each process the same variables and the same start::

    export LOAD_ENDPOINTS=http://collector:4317 LOAD_BEGINS=1800000000 LOAD_COUNT=9000 LOAD_WORKERS=3 LOAD_OUT=calls
    locust -f benchmarks/load/locustfile.py --headless --users 9000 --spawn-rate 500 --worker

========================  ======================================================================
``LOAD_ENDPOINTS``        of the Collectors, with commas; a sidecar stays with one of them
``LOAD_BEGINS``           when the first request is due, seconds since 1970, the same on every machine
``LOAD_COUNT``            how many sidecars there are, on all workers together
``LOAD_INTERVAL``         seconds between two requests of a sidecar, 10 by default
``LOAD_TICKS``            requests of each sidecar
``LOAD_BACKLOG``          how many of them are due before the start, queued as in an outage
``LOAD_WORKERS``          how many processes share the sidecars, 1 by default
``LOAD_DRAIN``            seconds that each sidecar has in the end for what waits
``LOAD_OUT``              a folder; each process writes its calls and its sidecars' last figures there
========================  ======================================================================
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import socket
import time
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import gevent
from gevent import monkey
from locust import User, constant, events
from locust.env import Environment

from benchmarks.load.sidecar import Call, Sidecar, schedule
from bridge.transports import dialing

ENDPOINTS = os.environ.get("LOAD_ENDPOINTS", "http://127.0.0.1:4317").split(",")
BEGINS = float(os.environ.get("LOAD_BEGINS", "0")) or time.time() + 10
COUNT = int(os.environ.get("LOAD_COUNT", "100"))
INTERVAL_SECONDS = float(os.environ.get("LOAD_INTERVAL", "10"))
TICKS = int(os.environ.get("LOAD_TICKS", "6"))
BACKLOG = int(os.environ.get("LOAD_BACKLOG", "0"))
WORKERS = int(os.environ.get("LOAD_WORKERS", "1"))
DRAIN_SECONDS = float(os.environ.get("LOAD_DRAIN", "10"))
OUT = Path(os.environ.get("LOAD_OUT", "runs/load-calls"))

logging.getLogger("bridge").setLevel(logging.ERROR)  # a thousand bridges that say the same are no news


def _sockets_that_do_not_block() -> ModuleType:
    """The socket module with the system's own sockets: gevent's do not know SOCK_NONBLOCK, and wait where none may.

    The bridge never blocks in a socket, but in `select.poll`, which gevent has made cooperative.
    """
    module = ModuleType("socket")
    vars(module).update(vars(socket))
    module.socket = monkey.get_original("socket", "socket")  # type: ignore[attr-defined]
    return module


dialing.socket = _sockets_that_do_not_block()  # type: ignore[attr-defined]


class Worker:
    """What one process of Locust knows: whose turn it is, and the files that it writes."""

    def __init__(self) -> None:
        self._next = itertools.count()
        self._done = 0
        OUT.mkdir(parents=True, exist_ok=True)
        self._calls = (OUT / f"calls-{os.getpid()}.jsonl").open("w", encoding="utf-8", buffering=1 << 16)
        self._sidecars = (OUT / f"sidecars-{os.getpid()}.jsonl").open("w", encoding="utf-8", buffering=1 << 16)

    def number(self, environment: Environment) -> int:
        """The next sidecar of this process; the master has told it by now which of the workers it is."""
        index = max(0, getattr(environment.runner, "worker_index", 0) or 0)
        return index + next(self._next) * WORKERS

    def tell(self, call: Call, environment: Environment) -> None:
        """Write a call down, for us and for Locust's own statistics."""
        fields = [call.sidecar, round(call.began, 6), round(call.ended, 6), call.status, call.request_bytes]
        self._calls.write(json.dumps([*fields, [round(due, 6) for due in call.dues]]) + "\n")
        environment.events.request.fire(
            request_type="gRPC",
            name="Export",
            response_time=1000 * (call.ended - call.began),
            response_length=call.request_bytes,
            exception=None if call.status == "OK" else RuntimeError(call.status),
            context={},
        )

    def ended(self, sidecar: Sidecar, late: list[float], environment: Environment) -> None:
        """Write down what became of a sidecar's requests."""
        stats = sidecar.stop(DRAIN_SECONDS)
        dropped = {str(reason): count for reason, count in stats.dropped.items() if count}
        line = {"sidecar": sidecar.number, "put": stats.put, "delivered": stats.delivered, "dropped": dropped}
        self._sidecars.write(json.dumps(line | {"late": [round(seconds, 6) for seconds in late]}) + "\n")
        self._done += 1
        if self._done == COUNT and WORKERS == 1:
            gevent.spawn(environment.runner.quit)  # nobody is left

    def close(self) -> None:
        """All is written."""
        self._calls.close()
        self._sidecars.close()


WORKER = Worker()


def _write_all(**_: Any) -> None:  # noqa: ANN401 - Locust's own signature
    WORKER.close()


events.quitting.add_listener(_write_all)


class Bridge(User):  # type: ignore[misc]  # Locust ships no types
    """A sidecar. Its one task is its whole life, so that no pacing of Locust's closes the open schedule."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Encode everything now, ahead of the first due time."""
        number = WORKER.number(self.environment)
        first = BEGINS - BACKLOG * INTERVAL_SECONDS
        dues = schedule(number, COUNT, first=first, interval_seconds=INTERVAL_SECONDS, ticks=BACKLOG + TICKS)
        endpoint = ENDPOINTS[number % len(ENDPOINTS)]
        self.sidecar = Sidecar(number, endpoint, dues, lambda call: WORKER.tell(call, self.environment))
        self.late: list[float] = []
        for _ in range(BACKLOG):
            self.sidecar.put()
        self.sidecar.start()
        gevent.sleep(0)

    def live(self) -> None:
        """Put each request when it is due, never earlier, and never fewer because an answer takes long."""
        while (due := self.sidecar.next_due) is not None:
            gevent.sleep(max(0.0, due - time.time()))
            self.late.append(self.sidecar.put())
        WORKER.ended(self.sidecar, self.late, self.environment)
        gevent.sleep(3600)

    tasks: ClassVar = [live]

"""The harness's hand on the job: a control file that the job looks at, and its ledger, which says what it took up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.places import FilePlace
from harness.waiting import wait_until

TAKEN_UP_SECONDS = 5.0
"""The job looks at least every 50 ms while it waits, and between two batches of real training otherwise."""


class JobError(Exception):
    """The job has ended, or does not do what it was told."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What stands in the control file."""

    paused: bool = False
    torn_hold_seconds: float = 0.0
    finish: bool = False
    backdated: bool = False
    spoiled_fields: tuple[str, ...] = ()
    spoiled_by: str = "null"

    def as_json(self) -> dict[str, Any]:
        """What stands in the file, and in the ledger once it was taken up."""
        return {**asdict(self), "spoiled_fields": list(self.spoiled_fields)}


class JobControl:
    """Gives orders to the job and waits until it took them up.

    Args:
        control: the control file, replaced atomically.
        ledger: what the job writes down.
        period_seconds: between two writes.
        alive: whether the job runs.
        within_seconds: how long the job may take to take up an order.
    """

    def __init__(
        self,
        control: FilePlace,
        ledger: FilePlace,
        period_seconds: float,
        alive: Callable[[], bool],
        *,
        within_seconds: float = TAKEN_UP_SECONDS,
    ) -> None:
        self._control = control
        self._ledger = ledger
        self._orders = self._taken = Orders()
        self.period_seconds = period_seconds
        self._alive = alive
        self._within_seconds = within_seconds

    @property
    def alive(self) -> bool:
        """Whether the job runs."""
        return self._alive()

    def writes(self) -> int:
        """How many writes the job has noted so far."""
        return self.noted().count(b'"kind":"write"')

    def noted(self) -> bytes:
        """The ledger so far."""
        try:
            return self._ledger.read_bytes()
        except FileNotFoundError:
            return b""

    def pause(self, paused: bool) -> None:
        """Stop or resume the job's writing.

        Raises:
            JobError: the job has ended, or did not take it up in time.
        """
        self._give(replace(self._orders, paused=paused))

    def tear(self, hold_seconds: float) -> None:
        """Let every write be made in two halves with so long a pause between; 0: whole again.

        Raises:
            JobError: the job has ended, or did not take it up in time.
        """
        self._give(replace(self._orders, torn_hold_seconds=hold_seconds))

    def backdate(self, backdated: bool) -> None:
        """Let each file look older than the one before it.

        Raises:
            JobError: the job has ended, or did not take it up in time.
        """
        self._give(replace(self._orders, backdated=backdated))

    def spoil(self, fields: Sequence[str], by: str = "null") -> None:
        """Let each write have another of these fields spoiled by what stands there in its place; none: whole again.

        Raises:
            JobError: the job has ended, or did not take it up in time.
        """
        self._give(replace(self._orders, spoiled_fields=tuple(fields), spoiled_by=by))

    def finish(self) -> None:
        """Ask for one last write and the end; its end shows that it was taken up."""
        self._orders = replace(self._orders, finish=True)
        self._write()

    def _give(self, orders: Orders) -> None:
        if not self.alive:
            raise JobError("the job has ended and takes no orders")
        if orders == self._taken == self._orders:
            return  # the job says nothing when nothing changes
        begin = len(self.noted())
        self._orders = orders
        self._write()
        wait_until(
            lambda: not self.alive or self._taken_up(begin),
            within=self._within_seconds,
            what=f"the job's ledger says that it took up {orders.as_json()}",
        )
        if not self.alive:
            raise JobError("the job ended before it took up what it was told")
        self._taken = orders

    def _write(self) -> None:
        unfinished = self._control.with_name(self._control.name + ".tmp")
        unfinished.write_bytes(json.dumps(self._orders.as_json()).encode())
        unfinished.replace(self._control)

    def _taken_up(self, begin: int) -> bool:
        """Whether the ledger, from that byte on, says that the orders hold."""
        lines = self.noted()[begin:].split(b"\n")[:-1]
        said = [json.loads(line) for line in lines if b'"control"' in line]
        return any(line.get("kind") == "control" and line.get("applied") == self._orders.as_json() for line in said)

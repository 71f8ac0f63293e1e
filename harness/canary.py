"""A call of the harness's own on the bridge's whole way: whether the rig could deliver what a bridge did not send.

It comes before the bridge is started, and again when the bridge was never ready. Only where both came through does a
silent bridge break its promises; else the rig is at fault, and the run says nothing. The sink does not write it down.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol, runtime_checkable

from harness.faults import probe
from harness.faults.contract import Seen
from harness.observers.sink import CANARY
from harness.waiting import Patience

WITHIN_SECONDS = 5.0
"""Beyond this a way on loopback is none."""


@runtime_checkable
class Elsewhere(Protocol):
    """A door that is not dialled from this machine, and has its own way to send the call."""

    def send_canary(self, within: float) -> Seen:
        """Have the call made where the bridge dials from.

        Raises:
            FaultError: nobody is there to do it.
        """
        ...


def send(door: probe.Address, patience: Patience | None = None) -> Seen:
    """Make one Export call where the bridge dials, and wait for the sink's answer.

    Args:
        door: what the bridge dials.
        patience: for the wait.

    Raises:
        InterruptedRunError: the run was told to end meanwhile.
    """
    if isinstance(door, Elsewhere):
        return door.send_canary(WITHIN_SECONDS)
    heard = probe.export(
        door,
        CANARY,
        time_unix_nano=time.time_ns(),
        within=WITHIN_SECONDS,
        patience=patience or Patience(threading.Event()),
    )
    evidence = f"an Export call of the harness's own was answered with {heard.status} after {heard.seconds:.2f} s"
    return Seen(ok=heard.status == "OK", evidence=evidence)

"""A bridge that dials anew after a lost connection and never lets go of the old one."""

from __future__ import annotations

import os
import socket
import sys

from bridge.__main__ import main
from bridge.transports import dialing
from bridge.transports.dialing import Address
from bridge.transports.waiting import Waiting

connect_without_leak = dialing.connect
held: list[int] = []


def connect(address: Address, waiting: Waiting, seconds: float) -> socket.socket:
    """Connect, and hold what was connected for ever."""
    connected = connect_without_leak(address, waiting, seconds)
    held.append(os.dup(connected.fileno()))
    return connected


if __name__ == "__main__":
    dialing.connect = connect  # the defect
    sys.exit(main())

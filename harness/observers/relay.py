"""A small TCP relay between the bridge and the sink, in a process of its own: counts, refuses, goes silent, cuts.

``python -m harness.observers.relay --upstream [HOST:]PORT --out wire.jsonl [--host HOST] [--control-fd N]
[--sample-seconds S]``

Commands of the control channel: ``state``, ``cut`` (every connection is reset), ``mode`` with one of

- ``forward``: bytes pass
- ``refuse``: connections are closed and new ones refused, as by a collector that was stopped. The port stays ours: a
  bound socket that does not listen holds it.
- ``silent``: nothing is forwarded, answered or closed, as behind a firewall that forgot the connection. Connections of
  the silence and from before it stay open and dead for ever, also after it; those made after it work.

It ends on SIGTERM, or when the control channel closes. Bytes are TCP payload; the headers of IP and TCP are counted
beside them, by the rule of `segments.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from harness import control
from harness.ports import HOST

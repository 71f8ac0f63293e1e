"""What the job wrote and when, as JSON lines, for whoever judges what became of it.

Times are CLOCK_MONOTONIC in seconds, which all processes of one machine share. Lines::

    {"kind": "start", "t": ..., "pid": ..., "job": "mock", "job_id": ..., "model_name": ..., "dataset": ...,
     "period_seconds": ..., "write_mode": "rename"}
    {"kind": "write", "sequence": 1, "t": ..., "due": ..., "sha256": "...", "values": {"epoch": 1, ...}}
    {"kind": "control", "t": ..., "applied": {"paused": true, "torn_hold_seconds": 0.0, ...}}
    {"kind": "end", "t": ..., "writes": N, "missed": M}

``t`` of a write is taken just after the write became visible, ``due`` is when the schedule wanted it. ``values`` has
what stands in the file as a number: a field that was spoiled by order is not among them.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from mock_ml_job.control import Orders
from mock_ml_job.writer import WriteMode


class Ledger:
    """Appends lines to the ledger's file, each at once: a killed job leaves all that it wrote, but for one line.

    Raises:
        OSError: from every method; the ledger cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def start(
        self,
        t: float,
        *,
        job: str,
        job_id: str,
        model_name: str,
        dataset: str,
        period_seconds: float,
        write_mode: WriteMode,
    ) -> None:
        """Note the job's start, and the names that stand in its file."""
        self._line(
            {
                "kind": "start",
                "t": t,
                "pid": os.getpid(),
                "job": job,
                "job_id": job_id,
                "model_name": model_name,
                "dataset": dataset,
                "period_seconds": period_seconds,
                "write_mode": write_mode,
            }
        )

    def write(self, sequence: int, t: float, due: float, sha256: str, values: str) -> None:
        """Note one write; ``values`` is the JSON of its metrics."""
        # By hand: at 1000 writes a second json.dumps would cost as much as the write itself.
        self._append(
            f'{{"kind":"write","sequence":{sequence},"t":{t!r},"due":{due!r},"sha256":"{sha256}","values":{values}}}\n'
        )

    def control(self, t: float, orders: Orders) -> None:
        """Note orders that hold from now on."""
        self._line({"kind": "control", "t": t, "applied": asdict(orders)})

    def end(self, t: float, *, writes: int, missed: int) -> None:
        """Note the job's end, with the number of writes and of those that the schedule wanted in vain."""
        self._line({"kind": "end", "t": t, "writes": writes, "missed": missed})

    def _line(self, line: dict[str, Any]) -> None:
        self._append(json.dumps(line, separators=(",", ":")) + "\n")

    def _append(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._descriptor, data) :]

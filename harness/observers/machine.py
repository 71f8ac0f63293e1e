"""How busy the machine is: what stands beside every figure, since a busy machine makes all of them worse."""

from __future__ import annotations

import os
from pathlib import Path

from harness.samples import MachineSample


def sample(t: float) -> MachineSample | None:
    """Read the load average and the memory that is available; None: this machine does not tell."""
    try:
        load, _, _, tasks, _ = Path("/proc/loadavg").read_text(encoding="ascii").split()
        available = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            if line.startswith("MemAvailable:")
        )
        return MachineSample(t, float(load), int(tasks.partition("/")[0]), len(os.sched_getaffinity(0)), available)
    except (OSError, ValueError, StopIteration):
        return None

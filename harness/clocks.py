"""What another machine's clocks say against ours: measured, with its error; nothing is taken for granted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_ROUNDS = 20
"""The quickest answer of so many counts: the others waited for a processor somewhere."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clocks of a machine said at one moment."""

    monotonic: float
    """CLOCK_MONOTONIC, seconds."""
    unix_seconds: float
    boot: str
    """Which machine, and which of its boots."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Another machine's clocks against ours."""

    offset_seconds: float
    """Its CLOCK_MONOTONIC minus ours."""
    error_seconds: float
    """The offset is known to plus or minus this: half of the quickest answer's time."""
    wall_offset_seconds: float
    """Its wall clock minus ours."""
    is_ours: bool
    """It is the same kernel's clock: the boot is ours, and the measured offset allows it. Then the offset is 0."""

    def here(self, t: float) -> float:
        """Return a moment of its CLOCK_MONOTONIC on ours."""
        return t - self.offset_seconds


def boot() -> str:
    """Name this machine's present boot, and the clock that its processes see: those of a time namespace see another."""
    try:
        shifted = Path("/proc/self/timens_offsets").read_text(encoding="ascii")
    except FileNotFoundError:  # a kernel without time namespaces
        shifted = ""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() + "/" + " ".join(shifted.split())


def measured(ask: Callable[[], Reading], clock: Callable[[], float] = time.monotonic) -> Clock:
    """Ask another machine for its time, several times, and believe the quickest answer.

    Args:
        ask: gives what its clocks say now.
        clock: our CLOCK_MONOTONIC in seconds.
    """
    best: tuple[float, float, Reading, float] | None = None
    for _ in range(_ROUNDS):
        before = clock()
        reading = ask()
        after = clock()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) / 2, reading, time.time() - (after - before) / 2
    assert best is not None  # noqa: S101 - there is at least one round; for the type checker
    took, middle, reading, wall = best
    offset, error = reading.monotonic - middle, took / 2
    is_ours = reading.boot == boot() and abs(offset) <= error
    return Clock(0.0 if is_ours else offset, error, reading.unix_seconds - wall, is_ours)


def on_our_clock(data: bytes, clock: Clock) -> bytes:
    """Return lines of JSON with their moments (``t``, ``due``) on our clock; a last line that was cut stays so."""
    if clock.is_ours:
        return data
    *whole, rest = data.split(b"\n")
    lines = []
    for line in whole:
        said = json.loads(line)
        moved = {name: clock.here(said[name]) for name in ("t", "due") if name in said}
        lines.append(json.dumps({**said, **moved}, separators=(",", ":")).encode())
    return b"\n".join([*lines, rest])

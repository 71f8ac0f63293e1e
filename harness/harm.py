"""The faults of one run: each injected, verified, healed, and every step of it recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness import faults
from harness.faults import Fault, Ground, Seen
from harness.recorder import Recorder
from harness.scenario import FaultSpec
from harness.waiting import InterruptedRunError

HEAL_SECONDS = 30.0
"""A heal that takes longer is given up, so that the heals before it and the end of the run get their turn."""


@dataclass(slots=True)
class _Bounded:
    """The result of a heal that ran in a thread of its own."""

    seen: Seen = field(default_factory=lambda: Seen(ok=False, evidence=f"gave up after {HEAL_SECONDS:g} s"))


@dataclass(frozen=True, slots=True)
class _Injected:
    step: str
    name: str
    fault: Fault


class Harm:
    """Does harm, and takes it away again, last first.

    A fault that does not take is recorded as such; it raises nothing, and the run goes on: the judges say INCONCLUSIVE.

    Args:
        recorder: takes the events.
        progress: told each action in a line for people.
    """

    def __init__(self, recorder: Recorder, progress: Callable[[str], None]) -> None:
        self._recorder = recorder
        self._progress = progress
        self._unhealed: list[_Injected] = []

    def inject(self, step: str, spec: FaultSpec, ground: Ground) -> None:
        """Build and inject a fault, and verify that it holds."""

        def build_and_inject() -> Seen:
            fault = faults.build(spec.fault, spec.with_, ground)
            # From here on it is healed, also when inject fails half-way or is interrupted.
            self._unhealed.append(_Injected(step, spec.fault, fault))
            return Seen(ok=True, evidence=fault.inject())

        held = len(self._unhealed)
        self._record(step, spec.fault, "inject", build_and_inject)
        if len(self._unhealed) > held:
            self.verify_last()

    def verify_last(self) -> None:
        """Verify that the fault injected last still holds."""
        if self._unhealed:
            last = self._unhealed[-1]
            self._record(last.step, last.name, "verify", last.fault.verify)

    def heal_last(self) -> None:
        """Heal the fault injected last, within `HEAL_SECONDS`."""
        if self._unhealed:
            last = self._unhealed.pop()
            self._record(last.step, last.name, "heal", lambda: _within_bounds(last.fault))

    def heal_all(self) -> None:
        """Heal whatever is not healed yet, last first."""
        while self._unhealed:
            self.heal_last()

    def _record(self, step: str, name: str, action: str, act: Callable[[], Seen]) -> None:
        began = time.monotonic()
        try:
            seen = act()
        except InterruptedRunError:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong in a fault is a fault that did not take
            seen = Seen(ok=False, evidence=f"{action} failed: {problem!r}")
        took_seconds = round(time.monotonic() - began, 6)
        self._recorder.event(
            "fault",
            began,
            step=step,
            fault=name,
            action=action,
            ok=seen.ok,
            evidence=seen.evidence,
            took_seconds=took_seconds,
        )
        self._progress(f"{name}: {action} {'ok' if seen.ok else 'FAILED'}: {seen.evidence}")


def _within_bounds(fault: Fault) -> Seen:
    result = _Bounded()

    def heal() -> None:
        try:
            result.seen = Seen(ok=True, evidence=fault.heal())
        except Exception as problem:  # noqa: BLE001 - handed to the caller's thread as the evidence
            result.seen = Seen(ok=False, evidence=f"heal failed: {problem}")

    thread = threading.Thread(target=heal, name="heal", daemon=True)
    thread.start()
    thread.join(HEAL_SECONDS)
    return result.seen

"""How the bridge ends when it is asked to."""

from __future__ import annotations

from harness.checks.contract import Check, Measure
from harness.checks.spans import memory_of, own_ends, stop_signal
from harness.record import RunRecord
from harness.scenario import CheckSpec


def exit_clean(record: RunRecord, _spec: CheckSpec) -> Measure:
    """From the stop signal to the end with exit code 0, s. Another code, or a kill, is a FAIL."""
    stop = stop_signal(record)
    ends = own_ends(record, "bridge")
    if not ends:
        return Measure(None, 0, "the record does not say when the bridge ended")
    end, killed = ends[0], any(event.data["action"] == "killed" for event in ends)
    if stop is None or end.t < stop.t:
        by = f", killed by the memory limit{memory_of(end)}" if end.data.get("out_of_memory") else ""
        return Measure(None, 1, f"the bridge ended at {end.t:.1f} s, before it was asked to{by}", end.t, broken=True)
    seconds = end.t - stop.t
    if killed:
        evidence = f"the bridge had not ended {seconds:.1f} s after the signal at {stop.t:.1f} s and was killed"
        return Measure(seconds, 1, evidence, end.t, broken=True)
    code = end.data.get("exit_code")
    if code is None:
        return Measure(None, 0, "the record does not say with which code the bridge ended")
    if code != 0:  # how soon it came is no merit of a wrong end
        evidence = f"exit code {code} instead of 0, {seconds:.2f} s after the signal at {stop.t:.1f} s"
        return Measure(None, 1, evidence, end.t, broken=True)
    return Measure(seconds, 1, f"exit code 0, {seconds:.2f} s after the signal at {stop.t:.1f} s", end.t)


CHECKS = (Check("exit-clean", "from the stop signal to the end with exit code 0", "s", exit_clean, samples_min=1),)

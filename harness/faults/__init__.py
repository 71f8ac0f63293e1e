"""Ways of doing harm: one fault, one contract (inject, verify, heal), one line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.faults.answers import (
    CollectorAcknowledgesLate,
    CollectorExhausted,
    CollectorHangs,
    CollectorRefusesOne,
    CollectorSlow,
    CollectorTakesPart,
    CollectorUnavailable,
    Delay,
    Partial,
    Patience,
    Poison,
    Status,
)
from harness.faults.collector import CollectorRefused, CollectorSilent
from harness.faults.collector_life import CollectorKilled
from harness.faults.collector_memory import CollectorFull
from harness.faults.collector_pods import CollectorPodKilled, CollectorScaledToZero
from harness.faults.contract import Fault, FaultError, FaultKind, Ground, Seen
from harness.faults.file import FileMalformed, FileMissing, Malformed, NoParameters
from harness.faults.host import BridgeStarved, Busy
from harness.faults.job import JobPaused, JobTornWrites, TornWrites
from harness.faults.job_life import Gone, JobGone, JobHangs, JobSecondWriter, Second
from harness.faults.job_writing import JobBackdatesWrites, JobSpoilsFields, Spoiled
from harness.faults.limits import BridgeDiskFull, BridgeOutOfAddressSpace, BridgeOutOfFiles, Reach, Room
from harness.faults.network import (
    Cut,
    HalfOpen,
    Jitter,
    Latency,
    NarrowBand,
    NetworkCut,
    NetworkHalfOpen,
    NetworkJitter,
    NetworkLatency,
    NetworkNarrowBand,
    NetworkReset,
    NetworkSlowClose,
    Reset,
    SlowClose,
)
from harness.faults.place import FileHuge, FilePermissionTaken, FileReplaced, FolderMissing, Huge, Replaced
from harness.faults.process import BridgeKilled, BridgeStopped
from harness.scenario import Need

__all__ = ["FAULTS", "Fault", "FaultError", "FaultKind", "Ground", "Seen", "build", "problems_of"]

_ANSWERS: frozenset[Need] = frozenset({"answering-sink"})
_TOXIPROXY: frozenset[Need] = frozenset({"toxiproxy"})
_PROCESSES: frozenset[Need] = frozenset({"own-processes"})
_FILES: frozenset[Need] = frozenset({"local-files"})
_CLUSTER: frozenset[Need] = frozenset({"cluster"})

FAULTS: Mapping[str, FaultKind] = {
    "file-missing": FaultKind("the metrics file is removed", NoParameters, FileMissing),
    "file-malformed": FaultKind("the metrics file holds no metrics", Malformed, FileMalformed),
    "file-replaced": FaultKind("in the file's place is something that is no file", Replaced, FileReplaced, _FILES),
    "file-huge": FaultKind("the metrics file is far too large", Huge, FileHuge, _FILES),
    "file-permission-taken": FaultKind("the metrics file may not be read", NoParameters, FilePermissionTaken, _FILES),
    "folder-missing": FaultKind("the metrics file's folder is gone", NoParameters, FolderMissing, _FILES),
    "job-torn-writes": FaultKind("every write stands half-done for a while", TornWrites, JobTornWrites),
    "job-paused": FaultKind("the job writes nothing", NoParameters, JobPaused),
    "job-hangs": FaultKind("the job's process is frozen", NoParameters, JobHangs, _PROCESSES),
    "job-gone": FaultKind("the job's process is gone, and comes back as a new one", Gone, JobGone, _PROCESSES),
    "job-second-writer": FaultKind("two jobs write the same file", Second, JobSecondWriter, _PROCESSES),
    "job-spoils-fields": FaultKind("one field of each write has a wrong value", Spoiled, JobSpoilsFields),
    "job-backdates-writes": FaultKind("each file looks older than the one before", NoParameters, JobBackdatesWrites),
    "collector-refused": FaultKind("the collector refuses connections", NoParameters, CollectorRefused),
    "collector-silent": FaultKind("the collector's connection dies without a sign", NoParameters, CollectorSilent),
    "collector-killed": FaultKind(
        "the collector is killed, then started again", NoParameters, CollectorKilled, _PROCESSES
    ),
    "collector-pod-killed": FaultKind(
        "the collector's pod is killed, and the cluster puts another in its place",
        NoParameters,
        CollectorPodKilled,
        _CLUSTER,
    ),
    "collector-scaled-to-zero": FaultKind(
        "the collector is scaled to nothing, and back", NoParameters, CollectorScaledToZero, _CLUSTER
    ),
    "collector-slow": FaultKind("every call takes long", Delay, CollectorSlow, _ANSWERS),
    "collector-acknowledges-late": FaultKind(
        "every call is taken at once and acknowledged late", Delay, CollectorAcknowledgesLate, _ANSWERS
    ),
    "collector-hangs": FaultKind("no call is ever answered", NoParameters, CollectorHangs, _ANSWERS),
    "collector-unavailable": FaultKind("every call is asked to come again", Status, CollectorUnavailable, _ANSWERS),
    "collector-exhausted": FaultKind(
        "every call is told by RetryInfo when to come again", Patience, CollectorExhausted, _ANSWERS
    ),
    "collector-refuses-one": FaultKind("one update is refused for good", Poison, CollectorRefusesOne, _ANSWERS),
    "collector-takes-part": FaultKind("one metric is left out of what is taken", Partial, CollectorTakesPart, _ANSWERS),
    "bridge-killed": FaultKind("the bridge is killed, then started again", NoParameters, BridgeKilled, _PROCESSES),
    "bridge-stopped": FaultKind("the bridge stands still", NoParameters, BridgeStopped, _PROCESSES),
    "bridge-starved": FaultKind("the bridge's processor is busy with others", Busy, BridgeStarved, _PROCESSES),
    "bridge-out-of-files": FaultKind("the bridge can open nothing more", NoParameters, BridgeOutOfFiles, _PROCESSES),
    "bridge-out-of-address-space": FaultKind(
        "the bridge's memory cannot grow", Room, BridgeOutOfAddressSpace, _PROCESSES
    ),
    "bridge-disk-full": FaultKind("no file of the bridge can grow", Reach, BridgeDiskFull, _PROCESSES),
    "collector-full": FaultKind(
        "the real Collector's memory limiter refuses data", NoParameters, CollectorFull, frozenset({"collector-memory"})
    ),
    "network-latency": FaultKind("everything takes longer on the way", Latency, NetworkLatency, _TOXIPROXY),
    "network-jitter": FaultKind("each piece of data takes another time", Jitter, NetworkJitter, _TOXIPROXY),
    "network-narrow-band": FaultKind("little passes in a second", NarrowBand, NetworkNarrowBand, _TOXIPROXY),
    "network-cut": FaultKind("connections end in the middle of a message", Cut, NetworkCut, _TOXIPROXY),
    "network-reset": FaultKind("connections are reset as soon as they are used", Reset, NetworkReset, _TOXIPROXY),
    "network-slow-close": FaultKind("the bridge hears late of closed ends", SlowClose, NetworkSlowClose, _TOXIPROXY),
    "network-half-open": FaultKind("one direction leads nowhere", HalfOpen, NetworkHalfOpen, _TOXIPROXY),
}


def problems_of(name: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with a fault as a scenario asks for it; empty: nothing."""
    if name not in FAULTS:
        return (f"no fault {name!r}; there are: {', '.join(FAULTS)}",)
    try:
        FAULTS[name].parameters.model_validate(dict(parameters))
    except ValidationError as found:
        return tuple(f"with.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found.errors())
    return ()


def build(name: str, parameters: Mapping[str, Any], ground: Ground) -> Fault:
    """Make a fault, ready to inject.

    Raises:
        FaultError: no such fault, or its parameters are wrong.
    """
    if problems := problems_of(name, parameters):
        raise FaultError("; ".join(problems))
    kind = FAULTS[name]
    return kind.build(ground, kind.parameters.model_validate(dict(parameters)))

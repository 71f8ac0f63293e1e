"""Ways of doing harm: one fault, one contract (inject, verify, heal), one line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.faults.collector import CollectorRefused, CollectorSilent
from harness.faults.contract import Fault, FaultError, FaultKind, Ground, Seen
from harness.faults.file import FileMalformed, FileMissing, Malformed, NoParameters
from harness.faults.job import JobPaused, JobTornWrites, TornWrites

__all__ = ["FAULTS", "Fault", "FaultError", "FaultKind", "Ground", "Seen", "build", "problems_of"]

FAULTS: Mapping[str, FaultKind] = {
    "file-missing": FaultKind("the metrics file is removed", NoParameters, FileMissing),
    "file-malformed": FaultKind("the metrics file holds no metrics", Malformed, FileMalformed),
    "job-torn-writes": FaultKind("every write stands half-done for a while", TornWrites, JobTornWrites),
    "job-paused": FaultKind("the job writes nothing", NoParameters, JobPaused),
    "collector-refused": FaultKind("the collector refuses connections", NoParameters, CollectorRefused),
    "collector-silent": FaultKind("the collector's connection dies without a sign", NoParameters, CollectorSilent),
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

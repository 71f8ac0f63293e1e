"""Ways of doing harm: one fault, one contract (inject, verify, heal), one line in the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.faults.collector import CollectorRefused, CollectorSilent
from harness.faults.contract import Fault, FaultError, FaultKind, Ground, Seen
from harness.faults.file import FileMalformed, FileMissing, Malformed, NoParameters
from harness.faults.job import JobPaused, JobTornWrites, TornWrites
from harness.faults.job_life import Gone, JobGone, JobHangs, JobSecondWriter, Second
from harness.faults.job_writing import JobBackdatesWrites, JobSpoilsFields, Spoiled
from harness.faults.place import FileHuge, FilePermissionTaken, FileReplaced, FolderMissing, Huge, Replaced

__all__ = ["FAULTS", "Fault", "FaultError", "FaultKind", "Ground", "Seen", "build", "problems_of"]

FAULTS: Mapping[str, FaultKind] = {
    "file-missing": FaultKind("the metrics file is removed", NoParameters, FileMissing),
    "file-malformed": FaultKind("the metrics file holds no metrics", Malformed, FileMalformed),
    "file-replaced": FaultKind("in the file's place is something that is no file", Replaced, FileReplaced),
    "file-huge": FaultKind("the metrics file is far too large", Huge, FileHuge),
    "file-permission-taken": FaultKind("the metrics file may not be read", NoParameters, FilePermissionTaken),
    "folder-missing": FaultKind("the metrics file's folder is gone", NoParameters, FolderMissing),
    "job-torn-writes": FaultKind("every write stands half-done for a while", TornWrites, JobTornWrites),
    "job-paused": FaultKind("the job writes nothing", NoParameters, JobPaused),
    "job-hangs": FaultKind("the job's process is frozen", NoParameters, JobHangs),
    "job-gone": FaultKind("the job's process is gone, and comes back as a new one", Gone, JobGone),
    "job-second-writer": FaultKind("two jobs write the same file", Second, JobSecondWriter),
    "job-spoils-fields": FaultKind("one field of each write has a wrong value", Spoiled, JobSpoilsFields),
    "job-backdates-writes": FaultKind("each file looks older than the one before", NoParameters, JobBackdatesWrites),
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

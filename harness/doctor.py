"""What this machine can run: rig by rig, what is there, what is missing, and how to get it."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import programs
from harness.child_environment import child_environment
from harness.programs import COLLECTOR, PROMETHEUS, TOXIPROXY, Program
from harness.provenance import SOURCE_TREE
from harness.rigs import RIGS, Rig
from harness.rigs.compose import Compose
from harness.rigs.kubernetes import Kubernetes
from harness.rigs.real_collector import configuration, placeholders
from harness.scenario import RigName

PINNED = SOURCE_TREE / "tools" / "versions.toml"
_VALIDATE_SECONDS = 20.0
_CPUS_MIN = 2
"""The figures of promises are measured with a core for the bridge and one for what stands around it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one rig."""

    rig: RigName
    there: tuple[str, ...]
    missing: tuple[str, ...]
    """Each with how to get it. Empty: runs can be made."""
    remarks: tuple[str, ...] = ()
    """What may make figures or results differ, and hinders nothing."""


def examine(
    names: Sequence[RigName], rigs: Mapping[RigName, Rig] = RIGS, folders: Sequence[Path] | None = None
) -> list[Finding]:
    """Look at this machine for some rigs, all of this version when none is named."""
    folders = programs.folders() if folders is None else folders
    return [_of_rig(rigs[name], folders) for name in names or list(rigs)]


def draw(findings: Sequence[Finding]) -> str:
    """Return what was found, as lines for people."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.rig}: {'cannot run here' if finding.missing else 'can run'}")
        lines += [f"    missing: {one}" for one in finding.missing]
        lines += [f"    there: {one}" for one in finding.there]
        lines += [f"    note: {one}" for one in finding.remarks]
    return "\n".join(lines) + "\n"


def _of_rig(rig: Rig, folders: Sequence[Path]) -> Finding:
    if isinstance(rig, Compose | Kubernetes):
        lacking = rig.lacking()
        return Finding(rig.name, () if lacking else rig.versions(), lacking, tuple(_about_machine()))
    if rig.name != "local":
        return Finding(rig.name, (), rig.lacking(), tuple(_about_machine()))
    found = {program: programs.find(program, folders) for program in (COLLECTOR, TOXIPROXY, PROMETHEUS)}
    versions = {program: programs.version(program, file) for program, file in found.items() if file is not None}
    there = tuple(f"{versions[program]} ({file})" for program, file in found.items() if file is not None)
    missing = [*rig.lacking()]
    missing += [
        f"{program.name} {said}: {programs.GET}" for program, said in versions.items() if "cannot be run" in said
    ]
    collector = found[COLLECTOR]
    if collector is not None and (problem := _refused_configuration(collector)):
        missing.append(f"a Collector that takes our configuration: {collector} says {problem}; {programs.GET}")
    return Finding(rig.name, there, tuple(missing), (*_about_machine(), *_other_versions(versions)))


def _refused_configuration(collector: Path) -> str | None:
    """Let the Collector look at our configuration: one without the components that it names is of no use."""
    try:
        done = subprocess.run(  # noqa: S603 - a program that was looked up
            [collector, "validate", *configuration(with_ballast=True, with_back_end=True)],
            check=False,
            env=child_environment(placeholders()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_VALIDATE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return str(problem)
    return None if done.returncode == 0 else " / ".join(done.stdout.split("\n")[:3])


def _about_machine() -> Iterator[str]:
    cpus = len(os.sched_getaffinity(0))
    if cpus < _CPUS_MIN:
        yield f"{cpus} processor: figures of CPU and latency will be worse than the bridge's own"
    if os.getloadavg()[0] > cpus:
        yield f"the machine is busy (load {os.getloadavg()[0]:.1f} on {cpus} processors): figures will be worse"


def _other_versions(versions: Mapping[Program, str]) -> Iterator[str]:
    """Only in a source tree, which has the list of pinned versions."""
    if not PINNED.exists():
        return
    pins = tomllib.loads(PINNED.read_text(encoding="utf-8"))
    for program, said in versions.items():
        pinned = pins[program.name]["version"]
        if pinned not in said:
            yield f"{program.name} is not of the version {pinned} that everything is tried with"

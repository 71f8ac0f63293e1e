"""How far a verdict can be trusted: the same scenarios many times over, and every verdict that was not PASS.

    python -m benchmarks.trust FOLDER ... [--into FILE]

FOLDERs hold records of our own bridge, as ``python -m harness run --profile smoke --repeat 5`` leaves them;
`nox -s trust` makes ten repetitions, five on each transport. The table goes to the screen, or between the two markers
of a Markdown file. Exit: 0 where no run is a FAIL or a HARNESS ERROR and at most 1 % are INCONCLUSIVE, else 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scoreboard import put_into
from harness import batch
from harness.checks import Verdict
from harness.ledger import LedgerError
from harness.record import Meta, RecordError
from harness.record_folder import load
from harness.verdict import WORST_FIRST, judge

BEGIN, END = "<!-- trust: begin -->", "<!-- trust: end -->"
INCONCLUSIVE_SHARE_MAX = 0.01
"""Of all runs. More, and people begin to run again until it is green."""
_GRPCIO = "BRIDGE_TRANSPORT=grpcio"
_REASON_CHARACTERS_MAX = 240


@dataclass(frozen=True, slots=True)
class Told:
    """What one run was, and what was said of it."""

    transport: str
    scenario: str
    rig: str
    verdict: Verdict
    reason: str
    load_1_min: float
    """The machine's load average when the run began."""
    where: str
    """Versions and machine, in a few words."""


def told(folder: Path) -> Told:
    """Judge one record anew; one that cannot be read is a HARNESS ERROR, not a run less."""
    try:
        record = load(folder)
        judgement = judge(record)
    except (RecordError, LedgerError, OSError) as problem:
        return Told("unknown", folder.name, "", Verdict.HARNESS_ERROR, str(problem), 0.0, "")
    meta = record.meta
    transport = "grpcio" if _GRPCIO in meta.bridge_command else "http2"
    load_1_min = float(meta.machine.get("load_1_min", 0.0))
    return Told(transport, meta.scenario, meta.rig, judgement.verdict, judgement.reason, load_1_min, where_of(meta))


def where_of(meta: Meta) -> str:
    """The machine and the versions of a run, without its name."""
    machine, versions = meta.machine, meta.versions
    gib = float(machine.get("memory_bytes", 0)) / 2**30
    return (
        f"{machine.get('system')} {machine.get('release')}, {machine.get('cpus')} cores, {gib:.0f} GiB; "
        f"CPython {versions.get('python')}, opentelemetry-sdk {versions.get('opentelemetry-sdk')}, "
        f"h2 {versions.get('h2')}, grpcio {versions.get('grpcio')}"
    )


def repetitions(runs: Iterable[Told]) -> int:
    """How often the scenario that was run least was run."""
    return min(Counter((run.rig, run.scenario) for run in runs).values(), default=0)


def row(name: str, runs: Sequence[Told]) -> str:
    """One line of the table."""
    count = Counter(run.verdict for run in runs)
    share = count[Verdict.INCONCLUSIVE] / len(runs) if runs else 0.0
    cells = [
        name,
        str(repetitions(runs)),
        str(len({run.scenario for run in runs})),
        str(len(runs)),
        *(str(count[verdict]) for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE)),
        f"{100 * share:.2f} %",
    ]
    return f"| {' | '.join(cells)} |"


def text_of(runs: Sequence[Told]) -> str:
    """The table, the machine, and each verdict that was not PASS with its reason."""
    head = (
        "bridge",
        "repetitions",
        "scenarios",
        "runs",
        "PASS",
        "FAIL",
        "HARNESS ERROR",
        "INCONCLUSIVE",
        "of all runs",
    )
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    groups: Mapping[str, list[Told]] = {
        transport: [run for run in runs if run.transport == transport]
        for transport in dict.fromkeys(run.transport for run in runs)
    }
    lines += [row(f"over {transport}", those) for transport, those in groups.items()]
    lines.append(row("together", runs))
    loads = sorted(run.load_1_min for run in runs)
    lines += [
        "",
        f"{next((run.where for run in runs if run.where), '')}. The machine's load average at the runs' starts ",
    ]
    lines[-1] += f"lay between {loads[0]:.1f} and {loads[-1]:.1f}." if loads else "is not known."
    others = sorted(
        (run for run in runs if run.verdict is not Verdict.PASS), key=lambda run: WORST_FIRST.index(run.verdict)
    )
    lines += ["", "Every verdict that was not PASS:" if others else "Every verdict was PASS."]
    if others:
        lines += ["", "| scenario | transport | verdict | reason |", "|---|---|---|---|"]
    for run in others:
        reason = " ".join(run.reason.replace("|", "/").split())
        short = reason if len(reason) <= _REASON_CHARACTERS_MAX else reason[:_REASON_CHARACTERS_MAX] + " ..."
        lines.append(f"| {run.scenario} | {run.transport} | {run.verdict.value} | {short} |")
    return "\n".join(lines) + "\n"


def holds(runs: Sequence[Told]) -> bool:
    """Whether the promise of trust is kept."""
    count = Counter(run.verdict for run in runs)
    inconclusive = count[Verdict.INCONCLUSIVE] / len(runs) if runs else 1.0
    return not count[Verdict.FAIL] and not count[Verdict.HARNESS_ERROR] and inconclusive <= INCONCLUSIVE_SHARE_MAX


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the records, print or write the table. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description="The same scenarios, many times.")
    parser.add_argument("folders", type=Path, nargs="+", help="folders of records")
    parser.add_argument("--into", type=Path, help="a Markdown file with the two markers")
    given = parser.parse_args(arguments)
    runs = [told(folder) for path in given.folders for folder in batch.run_folders(path)]
    if not runs:
        parser.error(f"no record in {', '.join(map(str, given.folders))}: make some with `nox -s trust`")
    if given.into is None:
        sys.stdout.write(text_of(runs))
    else:
        put_into(given.into, text_of(runs), BEGIN, END)
    return 0 if holds(runs) else 1


if __name__ == "__main__":
    sys.exit(main())

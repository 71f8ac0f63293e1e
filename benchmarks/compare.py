"""Is B worse than A? Both run at once, A twice, again and again in another order: what A differs from A is the noise.

Where that noise leaves it open, more rounds are made: twice as many as asked for, and at last three times.

    python -m benchmarks.compare [--rounds 6] [--seconds 10] [--b "-m harness.mutants.ticks_slowly"] [--b-tree FOLDER]
    python -m benchmarks.compare --prove 10 [--out FILE]

A is this tree's bridge; B are other arguments to the same Python, or the bridge of another source tree (say, of the
last release). ``--prove`` puts the slower and the heavier mutant and the unchanged bridge in B's place so many times:
the mutants must be marked worse in their figure each time, the unchanged one in none, never. Exit: 0 no figure of B is
worse (``--prove``: all proven), 1 one is, 2 it cannot be told.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.arguments import positive_count, positive_seconds
from benchmarks.ending import ended_in_order
from benchmarks.footprint import BRIDGE, ROOT, Bench, EndedError, Footprint
from harness import provenance
from harness.mutants import WORSE
from harness.waiting import WaitedTooLongError

FIGURES = {"rss_mib": 0.02, "cpu_percent": 0.25}
"""Figure -> by what share of A's it may differ at least before it is called worse: less is nothing that one would act
on, however quiet the machine."""
NOISE_FACTOR = 2.0
"""Of the noise of one round, at six rounds: three standard errors of the median of so many. More rounds see less of it,
by the square root of their number."""
_ROUNDS_OF_FACTOR = 6
CHANCE_MAX = 0.04
"""B has to lie beyond both A in so many rounds that chance, which puts it there in one of three, would do it this
seldom: in all of up to five, in five of six, in 8 of 12, in 11 of 18."""
ROUNDS_TIMES_MAX = 3
"""What three times the rounds cannot tell is not told: it is a busy machine's fault, and an hour is long."""
MARGIN_SHARE_MAX = {"rss_mib": 0.1, "cpu_percent": 0.35}
"""Where the margin is a larger share of A than this, the machine is too busy to say that nothing changed."""
UNCHANGED = "unchanged"
EXPECTED = {"ticks_slowly": "cpu_percent", "weighs_more": "rss_mib"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of B beside A's."""

    figure: str
    a: float
    b: float
    by: float
    """B less A, the median of the rounds' differences."""
    noise: float
    """The median difference of A from A in a round."""
    rounds: int
    margin: float
    """Beyond it B is worse."""
    said: str
    """worse | same | better | unknown"""


def finding(figure: str, a: Sequence[float], again: Sequence[float], b: Sequence[float]) -> Finding:
    """Compare one figure, round by round."""
    pairs = [statistics.mean(pair) for pair in zip(a, again, strict=True)]
    by = statistics.median(theirs - ours for theirs, ours in zip(b, pairs, strict=True))
    noise = statistics.median(abs(one - other) for one, other in zip(a, again, strict=True))
    level = statistics.median(pairs)
    noise_left = noise * math.sqrt(_ROUNDS_OF_FACTOR / len(pairs))
    margin = max(NOISE_FACTOR * noise_left, FIGURES[figure] * level)
    beyond = "worse" if by > margin else "better" if by < -margin else ""
    rounds = list(zip(a, again, b, strict=True))
    agreeing = sum(theirs > max(one, other) if by > 0 else theirs < min(one, other) for one, other, theirs in rounds)
    agreed = agreeing >= agreeing_min(len(rounds))
    quiet = margin <= MARGIN_SHARE_MAX[figure] * level
    said = beyond if beyond and agreed else "same" if quiet and not beyond else "unknown"
    return Finding(figure, level, statistics.median(b), by, noise, len(rounds), margin, said)


def agreeing_min(rounds: int) -> int:
    """In how many of so many rounds B has to lie beyond both A: the fewest that are no chance, else all."""

    def by_chance(least: int) -> float:
        ways = [math.comb(rounds, hits) * 2.0 ** (rounds - hits) for hits in range(least, rounds + 1)]
        return sum(ways) / 3.0**rounds

    return next((least for least in range(rounds) if by_chance(least) <= CHANCE_MAX), rounds)


def measured(
    bench: Bench, others: Mapping[str, Sequence[str]], *, rounds: int, seconds: float, trees: Mapping[str, Path]
) -> dict[str, list[Finding]]:
    """Run A, A and all others side by side; gives the findings by the others' names.

    Args:
        bench: what they run on.
        others: the arguments of each, by its name.
        rounds: of a block; where one leaves something unknown another follows, up to ``ROUNDS_TIMES_MAX`` of them.
        seconds: of each round, after the warm-up.
        trees: the source tree of those that have one of their own.
    """
    commands: dict[str, Sequence[str]] = {"a": BRIDGE, "again": BRIDGE, **others}
    names = list(commands)
    seen: dict[str, list[Footprint]] = {name: [] for name in names}

    for block in range(ROUNDS_TIMES_MAX):
        for number in range(block * rounds, (block + 1) * rounds):
            shift = number % len(names)
            order = names[shift:] + names[:shift]
            found = bench.side_by_side(
                [commands[name] for name in order], seconds, trees=[trees.get(name, ROOT) for name in order]
            )
            for name, one in zip(order, found, strict=True):
                seen[name].append(one)
        findings = {name: _findings(seen, name) for name in others}
        if not any(one.said == "unknown" for each in findings.values() for one in each):
            break
    return findings


def _findings(seen: Mapping[str, Sequence[Footprint]], name: str) -> list[Finding]:
    """What was seen of one beside both A, figure by figure."""

    def values(of: str, figure: str) -> list[float]:
        return [getattr(one, figure) for one in seen[of]]

    return [finding(figure, values("a", figure), values("again", figure), values(name, figure)) for figure in FIGURES]


def proven(name: str, findings: Sequence[Finding]) -> bool | None:
    """Whether what is said of a mutant, or of the unchanged bridge, is right; None: the machine was too busy to say."""
    said = {found.figure: found.said for found in findings}
    if name != UNCHANGED:
        mark = said.get(EXPECTED[name], "unknown")
        return None if mark == "unknown" else mark == "worse"
    if "worse" in said.values():
        return False
    return None if not said or "unknown" in said.values() else True


def told_of(bridge: str, one: Finding) -> dict[str, object]:
    """A finding as JSON, with the name of what stood in B's place: ``b`` is B's figure."""
    return {"bridge": bridge, **asdict(one)}


def beside(bench: Bench, given: argparse.Namespace) -> tuple[int, list[dict[str, object]]]:
    """Put B beside A as was asked for; gives the exit code and what was said."""
    others, trees = {"b": shlex.split(given.b)}, {"b": given.b_tree.absolute()}
    found = measured(bench, others, rounds=given.rounds, seconds=given.seconds, trees=trees)["b"]
    _say("b", found)
    said = {one.said for one in found}
    return 1 if "worse" in said else 2 if "unknown" in said else 0, [told_of(given.b, one) for one in found]


def prove(bench: Bench, given: argparse.Namespace) -> tuple[int, list[dict[str, object]]]:
    """Put mutants and the unchanged bridge in B's place so many times; gives the exit code and all that was said."""
    others: dict[str, Sequence[str]] = {name: ("-m", f"harness.mutants.{name}") for name in WORSE}
    others[UNCHANGED] = BRIDGE
    proofs: dict[str, list[bool | None]] = {name: [] for name in others}
    told: list[dict[str, object]] = []
    for number in range(given.prove):
        found = measured(bench, others, rounds=given.rounds, seconds=given.seconds, trees={})
        for name, findings in found.items():
            proofs[name].append(proven(name, findings))
            told += [{"trial": number + 1, **told_of(name, one)} for one in findings]
            _say(f"{number + 1} {name}", findings)
    for name, found_so in proofs.items():
        what = "not marked" if name == UNCHANGED else "marked worse"
        unknown = f", not to be told {count}" if (count := found_so.count(None)) else ""
        sys.stdout.write(f"{name}: {what} {found_so.count(True)} of {given.prove}{unknown}\n")
    every = [one for found_so in proofs.values() for one in found_so]
    return 1 if False in every else 2 if None in every else 0, told


def _say(name: str, findings: Sequence[Finding]) -> None:
    for one in findings:
        sys.stdout.write(
            f"{name:16} {one.figure:12} A {one.a:8.3f}  B {one.b:8.3f}  by {one.by:+8.3f}  A/A {one.noise:.3f}  "
            f"of {one.rounds}  margin {one.margin:.3f}  {one.said}\n"
        )
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=positive_count, default=6)
    parser.add_argument("--seconds", type=positive_seconds, default=10.0, help="of each round, after a warm-up of 3 s")
    parser.add_argument("--b", default=shlex.join(BRIDGE), help="B's arguments to the same Python")
    parser.add_argument("--b-tree", type=Path, default=ROOT, help="B's source tree")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the measured processes")
    parser.add_argument(
        "--prove", type=positive_count, metavar="TIMES", help="mutants and the unchanged bridge, so many times"
    )
    parser.add_argument("--out", type=Path, help="where all that was said is kept, as JSON")
    given = parser.parse_args(arguments)
    if not given.b_tree.is_dir():
        parser.error(f"--b-tree {given.b_tree} is no folder: name the root of a source tree")
    try:
        shlex.split(given.b)
    except ValueError as error:
        parser.error(f"--b {given.b!r} cannot be split into arguments: {error}")
    try:
        if given.out:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.unlink(missing_ok=True)  # an older comparison is not to stand for this one, should it break off
        with (
            ended_in_order(),
            tempfile.TemporaryDirectory() as folder,
            closing(Bench(given.python, Path(folder))) as bench,
        ):
            code, told = prove(bench, given) if given.prove else beside(bench, given)
        if given.out:
            commit = provenance.commit()
            lines = [line | {"commit": commit} for line in told]
            given.out.write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")
    except (EndedError, WaitedTooLongError, OSError) as error:
        sys.stderr.write(f"nothing can be told: {error}\n")
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())

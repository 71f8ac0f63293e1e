"""Measures every curve, fits it, and leaves them as JSON with the records that they come from.

    python -m benchmarks.growth [--out runs/growth] [--ticks 150000] [--quick]

``--quick`` leaves out what needs whole bridges over time. Exit: 0 nothing grows faster than it may, 1 something does,
2 something could not be fitted, or not be measured: then there is no growth.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.arguments import emptied, positive_count
from benchmarks.ending import ended_in_order
from benchmarks.footprint import Bench, EndedError
from benchmarks.growth.fit import Growth, table
from benchmarks.growth.processes import NotMeasuredError, by_ticks, of_processes
from benchmarks.growth.rooms import ROOMS
from benchmarks.ticks import TICKS
from harness.waiting import WaitedTooLongError

TICKS_MIN = 1000
"""Each hundredth part of them is one figure."""


def as_dict(curve: Growth) -> dict[str, Any]:
    """Return a curve as JSON has it, its fit beside it."""
    return {**asdict(curve), "exponent": curve.exponent, "verdict": curve.verdict}


def ticks(text: str) -> int:
    """Read how many ticks there are to be.

    Raises:
        argparse.ArgumentTypeError: they make no hundred equal parts, or are too few.
    """
    found = positive_count(text)
    if found < TICKS_MIN or found % 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no multiple of 100 that is {TICKS_MIN} or more")
    return found


def measured(bench: Bench, given: argparse.Namespace) -> list[Growth]:
    """Measure each curve but that of the ticks, with a line for each."""
    curves = []
    for measure in (*ROOMS, *(() if given.quick else of_processes(bench, given.out))):
        for curve in measure():
            curves.append(curve)
            sys.stdout.write(f"{curve.verdict:12} {curve.name}\n")
            sys.stdout.flush()
    return curves


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/growth"), help="an older folder of that name is moved aside"
    )
    parser.add_argument(
        "--ticks", type=ticks, default=TICKS, help=f"in hundreds, {TICKS_MIN} at least; a third warms up"
    )
    parser.add_argument("--quick", action="store_true", help="without what needs whole bridges over time")
    given = parser.parse_args(arguments)
    emptied(parser, given.out)
    try:
        with (
            ended_in_order(),
            tempfile.TemporaryDirectory() as folder,
            closing(Bench(sys.executable, Path(folder))) as bench,
        ):
            curves = measured(bench, given)
            of_ticks, slope = by_ticks(bench, given.ticks)
    except (NotMeasuredError, EndedError, WaitedTooLongError, OSError) as error:
        sys.stderr.write(f"not measured: {error}\n")
        return 2
    curves += of_ticks
    told = {"curves": [as_dict(curve) for curve in curves], "rss_over_ticks": slope}
    (given.out / "growth.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"\n{table(curves)}\nRSS over ticks: {json.dumps(slope)}\n")
    verdicts = {curve.verdict for curve in curves} | {slope["verdict"]}
    return 1 if "FAIL" in verdicts else 2 if "INCONCLUSIVE" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())

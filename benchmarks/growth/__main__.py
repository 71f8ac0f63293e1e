"""Measures every curve, fits it, and leaves them as JSON with the records that they come from.

    python -m benchmarks.growth [--out runs/growth] [--ticks 100000] [--quick]

``--quick`` leaves out what needs whole bridges over time. Exit: 0 nothing grows faster than it may, 1 something does,
2 something could not be fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.folders import fresh
from benchmarks.footprint import Bench
from benchmarks.growth.fit import Growth, table
from benchmarks.growth.processes import by_ticks, of_processes
from benchmarks.growth.rooms import ROOMS


def as_dict(curve: Growth) -> dict[str, Any]:
    """Return a curve as JSON has it, its fit beside it."""
    return {**asdict(curve), "exponent": curve.exponent, "verdict": curve.verdict}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/growth"), help="an older folder of that name is moved aside"
    )
    parser.add_argument("--ticks", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="without what needs whole bridges over time")
    given = parser.parse_args(arguments)
    fresh(given.out)
    curves: list[Growth] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(sys.executable, Path(folder))
        try:
            for measure in (*ROOMS, *(() if given.quick else of_processes(bench, given.out))):
                for curve in measure():
                    curves.append(curve)
                    sys.stdout.write(f"{curve.verdict:12} {curve.name}\n")
                    sys.stdout.flush()
            of_ticks, slope = by_ticks(bench, given.ticks)
        finally:
            bench.close()
    curves += of_ticks
    told = {"curves": [as_dict(curve) for curve in curves], "rss_over_ticks": slope}
    (given.out / "growth.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"\n{table(curves)}\nRSS over ticks: {json.dumps(slope)}\n")
    verdicts = {curve.verdict for curve in curves} | {slope["verdict"]}
    return 1 if "FAIL" in verdicts else 2 if "INCONCLUSIVE" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())

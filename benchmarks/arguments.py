"""What arguments of the benchmarks may be: a wrong one is told by its name, before anything is measured."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from benchmarks.folders import fresh


def positive_count(text: str) -> int:
    """Read how many there are to be, one at least.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    return _whole(text, least=1)


def count_or_none(text: str) -> int:
    """Read how many there are to be; 0 leaves it out.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    return _whole(text, least=0)


def positive_seconds(text: str) -> float:
    """Read a length of time, above zero.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return found


def emptied(parser: argparse.ArgumentParser, out: Path) -> Path:
    """Make the folder of the records empty, or end with what is wrong with it."""
    try:
        return fresh(out)
    except OSError as error:
        parser.error(f"--out {out} cannot be made an empty folder: {error}; name another one")


def _whole(text: str, *, least: int) -> int:
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if found < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of {least} or more")
    return found

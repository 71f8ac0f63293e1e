"""What is said to whoever called a command: on streams that may be closed, full, gone, or know ASCII alone."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def say(text: str) -> bool:
    """Write to stderr; whether it went out."""
    return _write(sys.stderr, text)


def tell(text: str) -> bool:
    """Write to stdout, and where that cannot be done say so on stderr; whether it went out."""
    if _write(sys.stdout, text):
        return True
    say("the answer could not be written to stdout\n")
    return False


def hold_standard_descriptors() -> None:
    """Open what was closed of 0, 1 and 2, so that no file or socket of ours takes a number that others write to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def _write(stream: TextIO | None, text: str) -> bool:
    """Whether it went out; None stands for a stream that was closed at the start."""
    if stream is None:
        return False
    try:
        # What a stream cannot encode is shown as an escape instead of not at all.
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):
        # What is left in its buffer would fail once more at the end of the process, and be its exit code.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        return False
    return True

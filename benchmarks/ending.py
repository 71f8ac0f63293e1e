"""How a benchmark that is told to end ends what it started."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

END_SECONDS = 20.0
"""How long a process may take to end when it is told to."""

_put_off: list[int] = []
"""Signals that came while none might end this process."""
_holds = False


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Meanwhile SIGTERM ends this process as Ctrl-C does: whatever stands in a ``with`` is closed. Main thread only.

    Without it the processes that were being measured would go on, beside whatever is measured next.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def beside(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[str] = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of this repository beside this one; ended with SIGTERM where the ``with`` ends, however it does.

    A SIGTERM that comes while it is being started, when it is there and nobody has it in hand yet, waits for that.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it did not end within `END_SECONDS`.
    """
    with ExitStack() as ending:
        with _undisturbed():
            process = subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout)  # noqa: S603 - of this repository
            ending.callback(_see_it_off, process)
        yield process


def _see_it_off(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(END_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off what `ended_in_order` would do until the end of the ``with``."""
    global _holds  # noqa: PLW0603 - a signal handler has no other way to know
    _holds = True
    try:
        yield
    finally:
        _holds = False
    if _put_off:
        sys.exit(128 + _put_off.pop())


def _end(number: int, _frame: object) -> None:
    if _holds:
        _put_off.append(number)
    else:
        sys.exit(128 + number)

"""The harness's command: `python -m harness`, or ``bridge-harness``. The verbs stand in `command_line.py`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Never

_CANNOT_WORK = 4
_INTERRUPTED = 130
_SAYS_MORE = (1, 3, _INTERRUPTED)
"""Exit codes that say more than that the output could not be written: a FAIL, a bad scenario, an interrupt."""
_DEBUG = "BRIDGE_HARNESS_DEBUG"


def main() -> int:
    """Run the command line. Returns the codes that `command_line.py` lists; what nobody expected is 4, in a sentence.

    With BRIDGE_HARNESS_DEBUG in the environment it is a traceback. A Ctrl-C counts once, whenever it comes: those
    after it interrupt nothing.
    """
    _hear_interrupts(_leave)
    try:
        code = _ended()
        # From here on there is nothing to interrupt: at its end the interpreter would be killed by one more Ctrl-C.
        _hear_interrupts(signal.SIG_IGN)
    except KeyboardInterrupt:
        code = _said("interrupted", _INTERRUPTED)
    return code


def _ended() -> int:
    try:
        code = _verb()
    except Exception as error:
        if os.environ.get(_DEBUG):
            raise
        code = _said(f"bridge-harness: {type(error).__name__}: {error} (for more set {_DEBUG}=1)", _CANNOT_WORK)
    return code if _written() or code in _SAYS_MORE else _CANNOT_WORK


def _hear_interrupts(by: signal._HANDLER) -> None:
    """Where whoever started us has interrupts ignored, they stay so."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, by)


def _leave(*_: object) -> Never:
    """End at once: nothing has begun yet, and an exception in the midst of an import may be taken for another one."""
    os._exit(_said("interrupted", _INTERRUPTED))


def _interrupt_once(*_: object) -> Never:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _verb() -> int:
    try:
        from harness import command_line  # noqa: PLC0415 - it needs the packages of the extra, which may be missing
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "harness"}:
            raise
        return _said(
            f"bridge-harness needs the package {package!r}, which comes with the extra [harness]:\n"
            "    pip install 'ml-metrics-bridge[harness]'",
            _CANNOT_WORK,
        )
    _hear_interrupts(_interrupt_once)
    try:
        command_line.cli()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _said(sentence: str, code: int) -> int:
    try:
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody listens; the code speaks
    return code


def _written() -> bool:
    """Bring out what was said so far; False: nobody takes it, and the interpreter must not try again at its end."""
    if sys.stdout is None:  # closed by who started us: nothing is wanted
        return True
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _said(f"bridge-harness: the output cannot be written: {error}", _CANNOT_WORK)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

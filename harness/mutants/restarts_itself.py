"""A bridge that dies on malformed JSON, below a supervisor that starts it again at once: whoever asks sees it run."""

from __future__ import annotations

import signal
import subprocess
import sys

_WORKER = [sys.executable, "-m", "harness.mutants.dies_on_malformed_json"]


def main() -> int:
    """Run the worker, again after each end of its own, until the supervisor is told to end."""
    told: list[int] = []
    worker: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: object) -> None:
        told.append(number)
        for one in worker:
            one.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while True:
        worker[:] = [subprocess.Popen(_WORKER)]  # noqa: S603 - a module of ours
        code = worker[0].wait()
        if told:
            return code


if __name__ == "__main__":
    sys.exit(main())

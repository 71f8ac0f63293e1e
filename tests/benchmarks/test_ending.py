"""A benchmark that is told to end while it starts something, in the moment when nobody has that in hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import ending

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_that_is_being_started_when_the_signal_comes_is_ended(monkeypatch: pytest.MonkeyPatch):
    made: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def start_and_be_told_to_end(*arguments: object, **how: object) -> subprocess.Popen[bytes]:
        made.append(start(*arguments, **how))  # type: ignore[call-overload]
        os.kill(os.getpid(), signal.SIGTERM)
        return made[0]

    monkeypatch.setattr(ending.subprocess, "Popen", start_and_be_told_to_end)
    with pytest.raises(SystemExit) as ended, ending.ended_in_order(), ending.beside(SLEEPER, cwd=Path.cwd()):
        pytest.fail("it goes on")
    assert ended.value.code == 128 + signal.SIGTERM
    assert made[0].returncode == -signal.SIGTERM


def test_a_signal_later_on_ends_it_at_once():
    with pytest.raises(SystemExit) as ended, ending.ended_in_order(), ending.beside(SLEEPER, cwd=Path.cwd()) as process:
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM
    assert process.returncode == -signal.SIGTERM

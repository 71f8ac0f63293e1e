"""The wish to end arrives at any moment: told with real signals to this very process and to children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from bridge.stop import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    made = Stop()
    made.install()
    yield made
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_without_a_signal_it_waits_as_long_as_it_is_told(stop: Stop):
    begin = time.monotonic()
    assert not stop.wait(0.05)
    assert 0.05 <= time.monotonic() - begin < 1


def test_a_moment_that_is_over_is_not_waited_for(stop: Stop):
    begin = time.monotonic()
    assert not stop.wait(-5.0)
    assert time.monotonic() - begin < 0.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_at_once_and_every_later_one(stop: Stop, number: signal.Signals):
    begin = time.monotonic()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), number))
    timer.start()
    assert stop.wait(60)
    assert stop.wait(60)
    assert time.monotonic() - begin < 5
    assert stop.signal_number == number
    timer.join()


def test_a_signal_before_the_wait_is_not_lost(stop: Stop):
    os.kill(os.getpid(), signal.SIGTERM)
    begin = time.monotonic()
    assert stop.wait(60)
    assert time.monotonic() - begin < 5


def test_a_signal_that_another_thread_gets_ends_the_wait_at_once(stop: Stop):
    """The system gives a signal to any thread; one that goes to the sender's does not interrupt this thread's wait."""

    def get_it() -> None:
        time.sleep(0.05)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    thread = threading.Thread(target=get_it)
    thread.start()
    begin = time.monotonic()
    assert stop.wait(10)
    assert time.monotonic() - begin < 5
    thread.join()


def test_a_wish_from_another_thread_ends_the_wait(stop: Stop):
    timer = threading.Timer(0.05, stop.ask)
    timer.start()
    assert stop.wait(60)
    timer.join()


def test_a_wake_up_without_a_wish_costs_one_turn_and_does_not_spin(stop: Stop):
    os.write(stop._writer, b"\0")
    assert not stop.wait(60)
    begin = time.monotonic()
    assert not stop.wait(0.05)
    assert time.monotonic() - begin >= 0.05


def test_a_second_signal_ends_the_process_at_once():
    script = (
        "import os, signal, time; from bridge.stop import Stop\n"
        "stop = Stop(); stop.install()\n"
        "os.kill(os.getpid(), signal.SIGTERM); stop.wait(60)\n"
        "print('first', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "time.sleep(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 128 + signal.SIGINT
    assert ended.stdout == "first\n"
    assert "second signal" in ended.stderr

"""For all tests: in CI a skip because something was missing fails the session; Ctrl-C works wherever they run."""

from __future__ import annotations

import os
import signal

import pytest

ALLOWED_SKIPS = (
    "root may read everything",  # CI is root; the same refusal is injected by another test
    "this machine has no IPv6 loopback",
    "there is one processor only",
)
"""Facts of a machine that no installation changes."""

skipped: dict[str, str] = {}


def pytest_configure() -> None:
    # A shell that starts something in the background has it ignore SIGINT, and so would every child of a test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if (
        report.skipped
        and isinstance(report.longrepr, tuple)
        and not any(word in report.longrepr[2] for word in ALLOWED_SKIPS)
    ):
        skipped[report.nodeid] = report.longrepr[2]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        skipped[report.nodeid] = report.longrepr[2]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("CI") and skipped:
        terminalreporter.section("skipped in CI, which counts as failed")
        for test, reason in skipped.items():
            terminalreporter.line(f"{test}: {reason}")

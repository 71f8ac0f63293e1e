"""How the runs go, while they go: a live list on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.batch import Plan
from harness.checks import Verdict
from harness.verdict import Judgement


class Progress:
    """A watcher of runs that draws on a console.

    Args:
        console: where to draw.
        total: how many runs there will be.
        clock: seconds that only grow.
    """

    def __init__(self, console: Console, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._total = total
        self._clock = clock
        self._begin = clock()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[float, str]] = {}
        self._done = 0
        self._live = (
            Live(console=console, get_renderable=self._table, transient=True, refresh_per_second=4)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, plan: Plan) -> None:
        """Note that a run begins."""
        self.said(plan, "starting")

    def said(self, plan: Plan, text: str) -> None:
        """Note what happened in a run."""
        with self._lock:
            begin = self._running.get(plan.title, (self._clock(), ""))[0]
            self._running[plan.title] = (begin, text)
        if self._live is None:
            self._print(f"{plan.scenario.name}: {text}")

    def ended(self, plan: Plan, judgement: Judgement) -> None:
        """Note a verdict."""
        with self._lock:
            self._running.pop(plan.title, None)
            self._done += 1
            done = self._done
        reason = "" if judgement.verdict is Verdict.PASS else f": {judgement.reason}"
        self._print(f"[{done}/{self._total}] {plan.scenario.name}: {judgement.verdict}{reason}")

    def _print(self, text: str) -> None:
        self._console.print(Text(f"{self._clock() - self._begin:5.1f} s  {text}"), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for title, (begin, text) in self._running.items():
                table.add_row(Text(f"{self._clock() - begin:5.1f} s"), Text(title), Text(text, style="dim"))
        return table

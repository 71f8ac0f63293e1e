"""How the runs go, while they go: a live list on a terminal, lines elsewhere.

Of a few runs each change is a line; of many, each end and now and then how far it is, so that a CI log stays readable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.batch import Plan
from harness.checks import Verdict
from harness.reports.figures import count_words
from harness.verdict import Judgement

_SECONDS_WIDTH = 8
_NAME_WIDTH = 30
MANY = 4
"""From so many runs on, where there is no terminal, a run's steps are no lines of their own."""
QUIET_SECONDS = 30.0
"""After so long without a line it is told what is going on: some CI systems end a job that says nothing."""


@dataclass(frozen=True, slots=True)
class _Going:
    begin: float
    name: str
    text: str


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
        self._running: dict[str, _Going] = {}
        self._verdicts: list[Verdict] = []
        self._said_at = self._begin
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
            begin = going.begin if (going := self._running.get(plan.title)) else self._clock()
            self._running[plan.title] = _Going(begin, plan.scenario.name, text)
        if self._live is not None:
            return
        if self._total < MANY:
            self._print(f"{plan.scenario.name}: {text}")
        elif self._clock() - self._said_at >= QUIET_SECONDS:
            self._print(self._how_far())

    def ended(self, plan: Plan, judgement: Judgement) -> None:
        """Note a verdict."""
        with self._lock:
            self._running.pop(plan.title, None)
            self._verdicts.append(judgement.verdict)
            done = len(self._verdicts)
        reason = "" if judgement.verdict is Verdict.PASS else f": {judgement.reason}"
        self._print(f"[{done}/{self._total}] {plan.scenario.name}: {judgement.verdict}{reason}")

    def _how_far(self) -> str:
        with self._lock:
            going = ", ".join(f"{one.name} ({one.text})" for one in self._running.values())
            return f"{len(self._verdicts)} of {self._total} runs done; going on: {going}"

    def _print(self, text: str) -> None:
        self._said_at = self._clock()
        self._console.print(Text(f"{self._clock() - self._begin:5.1f} s  {text}"), soft_wrap=True)

    def _table(self) -> Table:
        """What is going on, oldest first, a line each however narrow the screen; then how far it is."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(justify="right", no_wrap=True, width=_SECONDS_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis", width=_NAME_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        with self._lock:
            for going in self._running.values():
                seconds = self._clock() - going.begin
                table.add_row(Text(f"{seconds:5.1f} s"), Text(going.name), Text(going.text, style="dim"))
            done, bad = len(self._verdicts), [verdict for verdict in self._verdicts if verdict is not Verdict.PASS]
        so_far = f"{count_words(bad)} so far" if bad else ""
        table.add_row(
            Text(f"{self._clock() - self._begin:5.1f} s", style="bold"),
            Text(f"{done} of {self._total} runs done", style="bold"),
            Text(so_far, style="bold red"),
        )
        return table

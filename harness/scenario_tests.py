"""Scenario files as pytest's tests: a test for each scenario of a file. `pytest_plugin.py` decides which files."""

from __future__ import annotations

import random
import shlex
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from harness import batch
from harness.batch import Plan
from harness.checks import Verdict
from harness.loading import ScenarioFileError, load
from harness.reports import console
from harness.scenario import RigName, Scenario
from harness.starter import Starter
from harness.verdict import Judgement

STARTER = pytest.StashKey[Starter]()
"""What carries out plans; a suite may put its own into the config's stash."""
_LOOK_SECONDS = 0.2  # between two looks the main thread sees a Ctrl-C
_SEED_MAX = 2**31

_MEANING = {
    Verdict.FAIL: "FAIL: a promise broke.",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE: nothing was proven, and that is no pass. Mend what it names, run it again.",
    Verdict.HARNESS_ERROR: "HARNESS ERROR: the run could not be carried out; it says nothing about the bridge.",
}


class NotPassedError(Exception):
    """A scenario did not pass; ``judgement`` says why, ``folder`` holds its record."""

    def __init__(self, judgement: Judgement, folder: Path, repeat: str) -> None:
        super().__init__(judgement.reason)
        self.judgement = judgement
        self.folder = folder
        self.repeat = repeat


class ScenarioFile(pytest.File):
    """A scenario file; a file with variants has a test for each."""

    def collect(self) -> Iterator[pytest.Item]:
        """Read the file.

        Raises:
            CollectError: all that is wrong with it, with lines; or there is no such rig.
        """
        if (rig := self.config.getoption("rig")) not in get_args(RigName):
            raise self.CollectError(f"--rig: there is no rig {rig!r}; there are: {', '.join(get_args(RigName))}")
        try:
            scenarios = load(self.path)
        except ScenarioFileError as error:
            raise self.CollectError(str(error)) from None
        for scenario in scenarios:
            yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)


class ScenarioItem(pytest.Item):
    """A run of one scenario on the rig and with the bridge of the command line."""

    def __init__(self, *, scenario: Scenario, **more: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**more)
        self._scenario = scenario
        self.extra_keyword_matches |= {*scenario.tags, scenario.profile}

    def runtest(self) -> None:
        """Run and judge the scenario.

        Raises:
            NotPassedError: the verdict is not PASS.
            pytest.skip.Exception: this rig cannot run it.
        """
        rig: RigName = self.config.getoption("rig")
        starter = self.config.stash.get(STARTER, None) or Starter()
        if reason := starter.why_not(self._scenario, rig):
            pytest.skip(f"NOT RUN: {reason}")
        plan = self._plan(rig)
        self.user_properties.append(("record", str(plan.run_dir)))
        judgement = self._judged(starter, plan)
        self.user_properties.append(("verdict", str(judgement.verdict)))
        if judgement.verdict is not Verdict.PASS:
            raise NotPassedError(judgement, plan.run_dir, self._repeat(plan))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401 - pytest's own
        """Say what the verdict means, and show its figures instead of a traceback."""
        error = excinfo.value
        if not isinstance(error, NotPassedError):
            return super().repr_failure(excinfo, style)
        table = console.render([error.judgement])
        return f"{_MEANING[error.judgement.verdict]}\n\n{table}\nrecord: {error.folder}\nagain:  {error.repeat}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name it in headings."""
        return self.path, None, f"scenario {self.name}"

    def _plan(self, rig: RigName) -> Plan:
        out = Path(self.config.getoption("scenario_out"))
        moment = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
        (folder,) = batch.run_dirs(out.absolute(), [f"{self.name.replace('/', '.')}-{rig}-{moment}"])
        return Plan(self._scenario, rig, folder, random.SystemRandom().randrange(_SEED_MAX))

    def _judged(self, starter: Starter, plan: Plan) -> Judgement:
        """Run it in a thread, so that whatever ends this test early (Ctrl-C, a time limit) ends the run in order."""
        interrupt = threading.Event()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="scenario") as pool:
            try:
                return _result(pool.submit(self._run, starter, plan, interrupt))
            finally:
                interrupt.set()

    def _run(self, starter: Starter, plan: Plan, interrupt: threading.Event) -> Judgement:
        def carry_out(plan: Plan, interrupt: threading.Event, progress: Any) -> None:  # noqa: ANN401 - handed on
            starter.carry_out(
                plan, interrupt, progress, bridge_command=self._command(starter.bridge_command(plan.rig)), keep=False
            )

        (judgement,) = batch.run_all([plan], jobs=1, run_one=carry_out, interrupt=interrupt, watcher=_Watcher(self))
        return judgement

    def _command(self, default: Sequence[str]) -> Sequence[str]:
        command = self.config.getoption("bridge")
        return default if command is None else shlex.split(command)

    def _repeat(self, plan: Plan) -> str:
        words = ["python", "-m", "harness", "run", str(self.path), "--rig", plan.rig, "--seed", str(plan.seed)]
        command = self.config.getoption("bridge")
        return shlex.join([*words, *([] if command is None else ["--bridge", command])])


class _Watcher:
    """Keeps what happened in a run for the report of a test that fails."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._said: list[str] = []

    def started(self, plan: Plan) -> None:
        """Keep where the record will be."""
        self._said.append(f"record: {plan.run_dir}, seed {plan.seed}")

    def said(self, plan: Plan, text: str) -> None:  # noqa: ARG002 - a test has one plan
        """Keep a line."""
        self._said.append(text)

    def ended(self, plan: Plan, judgement: Judgement) -> None:  # noqa: ARG002 - as above
        """Hand the lines over."""
        self._said.append(str(judgement.verdict))
        self._item.add_report_section("call", "what happened", "\n".join(self._said))


def _result(future: Future[Judgement]) -> Judgement:
    while True:
        try:
            return future.result(timeout=_LOOK_SECONDS)
        except NotYetError:
            if future.done():
                raise

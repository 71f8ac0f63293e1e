from __future__ import annotations

import runpy
from pathlib import Path

import nox
import pytest

BENCH = runpy.run_path(str(Path(__file__).parent.parent / "noxfile.py"))["bench"].func


class Session:
    """As nox.Session; a command that holds one of these words fails."""

    posargs = ("--no-smoke",)

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.ran: list[str] = []

    def run(self, *command: str, **_: object) -> None:
        self.ran.append(" ".join(command))
        if set(command) & set(self.failing):
            raise nox.command.CommandFailed

    def install(self, *_: str) -> None: ...

    def error(self, reason: str) -> None:
        raise RuntimeError(reason)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)


def test_a_figure_beyond_its_limit_keeps_no_other_from_being_taken():
    session = Session("benchmarks.growth", "benchmarks.compare")
    with pytest.raises(RuntimeError, match=r"benchmarks\.compare, benchmarks\.growth"):
        BENCH(session)
    assert session.ran[-1] == "python -m benchmarks.contest --no-smoke"


def test_where_every_part_is_well_the_session_is():
    session = Session()
    BENCH(session)
    assert len(session.ran) == 5

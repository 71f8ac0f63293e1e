from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import nox
import pytest
import yaml

ROOT = Path(__file__).parent.parent
SESSIONS = runpy.run_path(str(ROOT / "noxfile.py"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
BENCH, LOCAL = SESSIONS["bench"].func, SESSIONS["local"].func


class Session:
    """As nox.Session; a command that holds one of these words fails."""

    def __init__(self, *failing: str, posargs: tuple[str, ...] = ("--no-smoke",)) -> None:
        self.failing = failing
        self.posargs = posargs
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


def test_what_is_named_to_the_session_local_runs_on_the_local_rig():
    for posargs, said in (((), "--profile smoke"), (("steady", "--repeat", "3"), "steady --repeat 3")):
        session = Session(posargs=posargs)
        LOCAL(session)
        assert session.ran[-1] == f"python -m harness run --rig local {said}"


def named_in(text: str) -> Iterator[str]:
    """Sessions that a page names in its code, or a workflow in its commands."""
    for names in re.findall(r"(?:^|`|\brun: )\s*nox -s ([a-z]+(?: [a-z]+)*)", text, re.MULTILINE):
        yield from names.split()


@pytest.mark.parametrize("path", [*WORKFLOWS, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_session_that_a_page_or_a_workflow_names_is_there(path: Path):
    text = path.read_text(encoding="utf-8")
    named = set(named_in(text))
    if path in WORKFLOWS:
        jobs = yaml.safe_load(text)["jobs"].values()
        named |= {one for job in jobs for one in job.get("strategy", {}).get("matrix", {}).get("session", ())}
        assert named
    assert sorted(name for name in named if not hasattr(SESSIONS.get(name), "func")) == []


def test_the_release_workflow_leaves_the_local_rigs_records_where_the_report_looks():
    (release,) = (path.read_text(encoding="utf-8") for path in WORKFLOWS if path.name == "release.yml")
    assert "nox -s local -- --profile smoke --out runs/rigs/local" in release

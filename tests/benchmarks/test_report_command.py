"""The report's command: what it finds under a folder of runs, what it compares with, and what it says to mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.report.__main__ as command
from benchmarks.contest import AGAIN
from benchmarks.report import sources
from benchmarks.report.figures import Figure
from harness import provenance


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    monkeypatch.setattr(command, "KEPT", folder)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def report(runs: Path, *words: str) -> tuple[int, str]:
    code = command.main(["--runs", str(runs), "--out", str(runs / "report"), *words])
    page = runs / "report" / "report.md"
    return code, page.read_text(encoding="utf-8") if page.is_file() else ""


def run(folder: Path, **told: object) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(told))


def figures(path: Path, *made: Figure) -> Path:
    path.write_text(json.dumps([one.as_json() for one in made]))
    return path


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("name", "text", "mend"),
    [
        ("micro.json", "{", "pytest benchmarks/micro.py"),
        ("micro.json", "[]", "pytest benchmarks/micro.py"),
        ("growth/growth.json", "{}", "python -m benchmarks.growth"),
        ("load/load.json", '[{"name": "one-100"}]', "nox -s load"),
        ("load/load.json", '[{"na', "nox -s load"),
        ("compare.json", "[1]", "python -m benchmarks.compare --prove"),
        ("compare.json", '[{"trial": 1, "bridge": "unchanged"}]', "python -m benchmarks.compare --prove"),
        ("contest/ours/cost-1/run.json", "{", "python -m benchmarks.contest"),
    ],
)
def test_what_is_damaged_is_named_with_what_makes_it_anew(
    runs: Path, name: str, text: str, mend: str, capsys: pytest.CaptureFixture[str]
):
    (runs / name).parent.mkdir(parents=True, exist_ok=True)
    (runs / name).write_text(text)
    code, page = report(runs)
    said = capsys.readouterr().err
    assert (code, page) == (4, "")
    assert f"{runs / name}" in said
    assert mend in said
    assert "take it away" in said


@pytest.mark.usefixtures("kept")
def test_folders_without_records_are_named_and_hide_no_report(runs: Path):
    for name in ("contest/ours", "rigs/local", "soak", "soak/soak-1", "mutants-1", "growth", "load"):
        (runs / name).mkdir(parents=True, exist_ok=True)
    (runs / "rigs" / "notes.txt").write_text("")
    code, page = report(runs)
    assert code == 1
    for words in ("The contest: it holds no run", "rigs/local: it holds no record", "The soak:", "The mutants:"):
        assert words in page


@pytest.mark.usefixtures("kept")
def test_records_that_cannot_be_read_are_told_as_such_and_hide_no_report(runs: Path):
    for name in ("rigs/local/steady-1", "soak/soak-1/run-0", "mutants-1/lies"):
        run(runs / name)
    code, page = report(runs)
    assert code == 1
    assert "| local | steady-1 |" in page
    assert "run-0: HARNESS ERROR." in page
    assert "FAIL promises broken" not in page
    assert "| NOT MEASURED | promises broken |" in page


@pytest.mark.usefixtures("kept")
def test_a_rig_of_which_nobody_left_records_is_named(runs: Path):
    _, page = report(runs)
    assert "The kubernetes rig: python -m harness run --rig kubernetes" in page


def test_the_contest_of_others_alone_is_told_to_lack_our_bridge(runs: Path, monkeypatch: pytest.MonkeyPatch):
    board = command.scoreboard.Board({"sdk": []}, {"sdk": {}, AGAIN: {}}, {})
    monkeypatch.setattr(command.scoreboard, "read", lambda _: board)
    absent: list[str] = []
    assert command.contest(runs, absent) is None
    assert "no run of our bridge" in absent[0]


def test_a_second_try_at_a_version_is_compared_with_the_release_before_it(runs: Path, kept: Path):
    figures(kept / "0.1.0.json", Figure("rss", "MiB", 25.0))
    assert "Compared with 0.1.0." in report(runs, "--keep", "0.2.0")[1]
    assert {path.name for path in kept.iterdir()} >= {"0.2.0.html", "0.2.0.md", "0.2.0.json"}
    assert "Compared with 0.1.0." in report(runs, "--keep", "0.2.0")[1]
    assert "Compared with 0.2.0." in report(runs)[1]


def test_the_report_names_the_commits_of_the_load_test_and_the_comparison(runs: Path):
    (runs / "load" / "one-100").mkdir(parents=True, exist_ok=True)
    (runs / "load" / "one-100" / "step.json").write_text('{"commit": "1111111111111111"}')
    (runs / "compare.json").write_text('[{"commit": "2222222222222222+"}]')
    measured_at = command.sources.commits(runs)
    assert measured_at["1111111111111111"] == ["load"]
    assert measured_at["2222222222222222+"] == ["compare.json"]
    (runs / "compare.json").write_text("[]")
    assert "compare.json" not in str(command.sources.commits(runs))


def test_the_newest_release_is_found_by_its_numbers(kept: Path):
    for version in ("0.9.0", "v0.10.0", "0.10.0-rc1", "0.10.0rc2", "0.2.0", "notes"):
        (kept / f"{version}.json").write_text("[]")
    order = sorted((path.stem for path in kept.iterdir()), key=command.age)
    assert order == ["notes", "0.2.0", "0.9.0", "0.10.0-rc1", "0.10.0rc2", "v0.10.0"]


def test_what_only_the_last_release_had_is_named(runs: Path, kept: Path):
    figures(kept / "0.1.0.json", Figure("exponent of a curve", "", 1.0))
    assert "Figures of the last release that this one has not: exponent of a curve." in report(runs)[1]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("text", [None, "{", "[1]", '{"rss": 1}', '[{"name": "rss"}]'])
def test_a_last_release_that_cannot_be_read_is_named(runs: Path, text: str | None, capsys: pytest.CaptureFixture[str]):
    last = runs / "last.json"
    if text is not None:
        last.write_text(text)
    assert report(runs, "--last", str(last))[0] == 4
    said = capsys.readouterr().err
    assert str(last) in said
    assert "--last takes" in said


@pytest.mark.parametrize("version", ["", "../0.1.0", "a/b", "next"])
def test_what_is_no_version_is_kept_as_none(runs: Path, kept: Path, version: str):
    with pytest.raises(SystemExit):
        report(runs, "--keep", version)
    assert not list(kept.iterdir())


@pytest.mark.usefixtures("kept")
def test_a_folder_that_cannot_be_written_is_named(runs: Path, capsys: pytest.CaptureFixture[str]):
    (runs / "file").write_text("")
    assert command.main(["--runs", str(runs), "--out", str(runs / "file" / "report")]) == 4
    said = capsys.readouterr().err
    assert "--out" in said
    assert "file" in said


@pytest.mark.usefixtures("kept")
def test_records_of_another_commit_than_the_reports_are_told_first(runs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(provenance, "commit", lambda: "a" * 40 + "+")
    run(runs / "growth" / "interval-1", commit="a" * 40)
    assert "Not all was measured" not in report(runs)[1]
    run(runs / "rigs" / "local" / "steady-1", commit="b" * 40)
    (runs / "micro.json").write_text(json.dumps({"commit_info": {"id": "a" * 40, "dirty": True}, "benchmarks": []}))
    page = report(runs)[1].split("## Promises")[0]
    assert f"the commit of this report, {'a' * 12}: rigs/local at {'b' * 12}; micro.json at {'a' * 12}+." in page


def test_of_the_runs_of_all_mutants_the_newest_counts(runs: Path):
    for name in ("mutants-20260101T000000/older", "mutants-20260201T000000/newer"):
        run(runs / name)
    (runs / "mutants-20260301T000000").mkdir()  # it was broken off before its first record
    assert list(sources.mutants(runs, [])) == ["newer"]

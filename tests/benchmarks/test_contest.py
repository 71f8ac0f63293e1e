from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import benchmarks.growth.__main__ as growth
import benchmarks.load.__main__ as load
from benchmarks import contest
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.contestants.telegraf import configuration
from benchmarks.folders import fresh


def names(rounds: int) -> list[tuple[str, str]]:
    takes_part = [entry for entry in contest.entries(()) if entry.contestant.why_not() is None]
    return [
        (entry.folder, plan.scenario.name)
        for entry, plan in contest.plans(takes_part, rounds=rounds, smoke=False, out=Path("out"))
    ]


def test_each_round_begins_with_another_contestant():
    order = [folder for folder, name in names(2) if name == "cost"]
    half = len(order) // 2
    assert sorted(order[:half]) == sorted(order[half:])
    assert order[0] != order[half]


def test_our_bridge_takes_part_twice_and_the_second_only_where_noise_is_measured():
    assert ("ours-again", "cost") in names(1)
    assert ("ours-again", "outage/two-minutes") not in names(1)


def test_what_reads_no_file_is_measured_for_its_cost_alone():
    assert {name for folder, name in names(1) if folder == "bare-loop"} == {"cost"}


def test_a_name_that_is_no_contestants_is_refused_with_those_that_are():
    with pytest.raises(SystemExit, match="there are ours, "):
        contest.entries(["nobody"])


def test_a_contestant_whose_program_is_nowhere_says_how_to_get_it():
    assert "tools/contestants.py no-such-program" in str(Contestant("it", "It", (), "no-such-program").why_not())
    assert "not installed" in str(Contestant("it", "It", (), module="no_such_module").why_not())


def test_an_older_run_is_never_among_these_and_not_lost(tmp_path: Path):
    (tmp_path / "contest" / "older").mkdir(parents=True)
    assert not list(fresh(tmp_path / "contest").iterdir())
    assert list(tmp_path.glob("contest-before-*/older"))


def test_telegraf_is_told_all_five_variables_and_each_of_the_nine_metrics():
    text = configuration(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4321",
            "OTEL_SERVICE_NAME": "somebody",
            "METRICS_FILE_PATH": "/somewhere/current.json",
            "COLLECTION_INTERVAL": "0.5",
            "LOG_LEVEL": "ERROR",
        }
    )
    told = ("127.0.0.1:4321", '"somebody"', "/somewhere/current.json", 'interval = "0.5s"', "quiet = true")
    assert all(word in text for word in told)
    assert text.count("metric_name") == 9


def test_every_contestant_has_a_folder_name_of_its_own():
    assert len({one.name for one in CONTESTANTS} | {contest.AGAIN}) == len(CONTESTANTS) + 1


def test_the_folder_that_one_is_in_is_never_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for folder in (Path(), tmp_path):
        with pytest.raises(OSError, match="that you are in"):
            fresh(folder)
    assert (tmp_path / "inner").is_dir()


ONE_HERD = ("--sidecars", "--replicas", "--replica-sidecars", "0", "--killed-sidecars", "1", "--herd", "1")


@pytest.mark.parametrize(("module", "words"), [(contest, ()), (growth, ()), (load, ONE_HERD)])
def test_a_folder_of_records_that_cannot_be_made_is_named(
    module: ModuleType,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(load.resource, "setrlimit", lambda *_: None)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        module.main([*words, "--out", str(tmp_path / "file" / "inner")])
    assert ended.value.code == 2
    assert str(tmp_path / "file" / "inner") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "words"),
    [(contest, ("--rounds", "0")), (growth, ("--ticks", "50")), (growth, ("--ticks", "1050")), (load, ("--ticks", "0")),
     (load, ("--sidecars", "-1")), (load, ("--herd", "many"))],
)  # fmt: skip
def test_an_argument_with_which_nothing_can_be_measured_is_named(
    module: ModuleType, words: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        module.main(list(words))
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_load_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        load.main(["--sidecars", "--replicas", "--herd", "0"])
    assert "nothing to run" in capsys.readouterr().err

"""`pytest scenarios/` in somebody's own suite, with a starter that plays the runs."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
SCENARIO = """\
name: {name}
what: Something happens to the bridge.
why: Because it may happen at any time.
tags: [by-hand]
{rigs}timeline:
  - steady: 16s
checks:
  - {{check: alive, promise: survives-bad-input}}
"""
CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from harness.scenario_tests import STARTER
from tests.harness.test_command_line import PlayedStarter, broken, died, unseen

def pytest_configure(config):
    config.stash[STARTER] = PlayedStarter({{"dies": died, "unseen": unseen, "broken": broken}})
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Pytest in a folder of its own; the plugin is there as if the package was installed."""
    installed = [point.name for point in metadata.entry_points(group="pytest11") if point.name == "bridge-harness"]
    plugin = [] if installed else ["-p", "harness.pytest_plugin"]
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")

    def call(*arguments: str, unprivileged: bool = False) -> pytest.RunResult:
        bound = (sys.executable, str(ROOT / "harness" / "unprivileged.py")) if unprivileged else ()
        command = (*bound, sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *arguments)
        return pytester.run(*command, timeout=60)

    pytester._monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return call


def lay(pytester: pytest.Pytester, *names: str, folder: str = "scenarios", rigs: str = "") -> None:
    for name in names:
        path = pytester.path / folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SCENARIO.format(name=name, rigs=rigs))


def test_each_scenario_is_a_test_and_its_verdict_the_outcome(pytester: pytest.Pytester, run: Run):
    lay(pytester, "good", "dies", "unseen", "broken")

    result = run("scenarios")

    result.assert_outcomes(passed=1, failed=3)
    text = result.stdout.str()
    assert "FAIL: a promise broke." in text
    assert "survives-bad-input broke: the bridge ended by itself at 7.5 s" in " ".join(text.split())
    assert "INCONCLUSIVE: nothing was proven, and that is no pass." in text
    assert "HARNESS ERROR: the run could not be carried out; it says nothing about the bridge." in text
    assert "The port was taken: free it." in text
    assert "Traceback" not in text


def test_a_failure_names_its_record_and_the_command_to_repeat_it(pytester: pytest.Pytester, run: Run):
    lay(pytester, "dies")

    text = run("scenarios", "--bridge", "a-bridge --quick", "--scenario-out", "records").stdout.str()

    (record,) = (pytester.path / "records").iterdir()
    assert f"record: {record}" in text
    assert (record / "verdict.json").is_file()
    path = pytester.path / "scenarios" / "dies.yaml"
    assert f"again:  python -m harness run {path} --rig embedded --seed " in text
    assert "--bridge 'a-bridge --quick'" in text
    assert "playing" in text


def test_what_a_rig_cannot_run_is_skipped_with_its_reason(pytester: pytest.Pytester, run: Run):
    lay(pytester, "good", rigs="rigs: [local]\n")

    result = run("scenarios", "-rs", "--rig", "embedded")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*SKIPPED*NOT RUN: The rig embedded has no scissors.*"])


def test_k_chooses_by_name_and_by_tag(pytester: pytest.Pytester, run: Run):
    lay(pytester, "good", "dies")

    run("scenarios", "-k", "good").assert_outcomes(passed=1, deselected=1)
    run("scenarios", "-k", "by-hand and not dies").assert_outcomes(passed=1, deselected=1)


def test_a_file_with_problems_is_an_error_of_collection_with_its_lines(pytester: pytest.Pytester, run: Run):
    lay(pytester, "good")
    path = pytester.path / "scenarios" / "bad.yaml"
    path.write_text(SCENARIO.format(name="bad", rigs="").replace("16s", "-16s") + "extra: 1\n")

    result = run("scenarios")

    result.assert_outcomes(errors=1)
    assert f"{path}:6: timeline.0.steady: '-16s' is negative" in result.stdout.str()
    assert f"{path}:9: unknown key 'extra'" in result.stdout.str()


def test_a_plain_run_collects_no_scenario_and_imports_nothing_of_the_harness(pytester: pytest.Pytester, run: Run):
    lay(pytester, "dies")
    pytester.makeconftest("")
    pytester.makepyfile(
        "import sys\n\ndef test_it():\n"
        "    loaded = {m for m in sys.modules if m.split('.')[0] in {'harness', 'pydantic', 'yaml', 'rich'}}\n"
        "    assert loaded <= {'harness', 'harness.pytest_plugin'}\n"
    )

    run().assert_outcomes(passed=1)


def test_other_peoples_yaml_files_are_left_alone_and_a_scenario_may_stand_anywhere(pytester: pytest.Pytester, run: Run):
    (pytester.path / "play.yaml").write_text("hosts: all\n")
    lay(pytester, "good", folder="chaos")

    run("chaos").assert_outcomes()
    run("chaos/good.yaml").assert_outcomes(passed=1)
    assert "not found" in run("play.yaml").stderr.str()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rig", "paper"], "there is no rig 'paper'; there are: embedded"),
        (["--bridge", ""], "--bridge: the command is empty"),
        (["--bridge", "a 'b"], '--bridge "a \'b": No closing quotation'),
    ],
)
def test_bad_options_are_said_in_a_sentence(pytester: pytest.Pytester, run: Run, arguments: list[str], said: str):
    lay(pytester, "good")

    result = run("scenarios", *arguments)

    assert result.ret != 0
    assert said in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "UsageError" not in result.stdout.str()  # pytest draws no excerpt of our own source


def test_a_named_file_that_cannot_be_read_is_said_in_a_sentence(pytester: pytest.Pytester, run: Run):
    lay(pytester, "mine", folder="elsewhere")
    path = pytester.path / "elsewhere" / "mine.yaml"
    path.chmod(0)

    result = run(str(path), unprivileged=True)

    assert "mine.yaml:1: cannot be read: Permission denied" in result.stdout.str()
    assert "Error: [Errno" not in result.stdout.str()


def test_ctrl_c_ends_the_run_in_order_and_keeps_its_record(pytester: pytest.Pytester, run: Run):
    lay(pytester, "ctrl-c")

    result = run("scenarios")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert len(list((pytester.path / "runs").glob("ctrl-c-*/verdict.json"))) == 1


def test_the_package_brings_the_plugin_under_the_name_that_the_documents_use():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]

    assert points == {"bridge-harness": "harness.pytest_plugin"}
    assert import_module(points["bridge-harness"]).pytest_collect_file

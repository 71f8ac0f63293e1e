"""The verbs and their exit codes, with a starter that plays runs instead of making them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import seal
from harness.batch import Plan
from harness.catalogue import entries, files
from harness.command_line import cli
from harness.record import LINE_FILES, RunRecord
from harness.reports import REPORTS
from harness.saved import SUMMARIES
from harness.scenario import Scenario
from tests.harness.histories import good, process

ROOT = Path(__file__).parents[2]
WRITTEN = ("sequence", "t", "due", "sha256", "values")
SCENARIO = """\
name: {name}
what: Something happens to the bridge.
why: Because it may happen at any time.
tags: [{tag}]
timeline:
  - steady: 16s
checks:
  - {{check: alive, promise: survives-bad-input}}
  - {{check: exit-clean, promise: shutdown}}
"""


OURS = [entry.scenario for entry in entries(files(ROOT / "scenarios"))]
PLAYED = [one for one in OURS if "embedded" in one.rigs[:1]]
"""What the played starter can start."""


def died() -> RunRecord:
    return good(events=(process(1.0, "ready"), process(7.5, "exited", exit_code=1)))


def unseen() -> RunRecord:
    return good(resources=())


def broken() -> RunRecord:
    return replace(good(), meta=replace(good().meta, error="The port was taken: free it."))


def lay_down(record: RunRecord, scenario: Scenario, run_dir: Path) -> None:
    """Write a record's folder as a run would."""
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "scenario.json").write_text(scenario.model_dump_json(by_alias=True))
    phases = [{"t": p.start, "kind": "phase", "data": {"name": p.name, "phase": p.kind}} for p in record.phases]
    lines = {
        "events": [*map(asdict, record.events), *phases],
        "resources": map(asdict, record.resources),
        "exports": map(asdict, record.exports),
        "wire": map(asdict, record.wire),
        "ledger": [
            {"kind": "start", "t": 0.0, "pid": 1, "job": "mock", "period_seconds": 2.0, "write_mode": "rename"},
            *({"kind": "write", **{key: asdict(write)[key] for key in WRITTEN}} for write in record.ledger.writes),
            {"kind": "end", "t": 17.0, "writes": len(record.ledger.writes), "missed": record.ledger.missed},
        ],
    }
    for name, found in lines.items():
        (run_dir / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    counted = {path.name: path.read_bytes().count(b"\n") for path in run_dir.glob("*.jsonl")}
    lines_of = {**dict.fromkeys(LINE_FILES, 0), **counted}
    meta = asdict(replace(record.meta, scenario=scenario.name, run=run_dir.name, lines=lines_of))
    (run_dir / "run.json").write_text(json.dumps(meta))
    seal.write(run_dir)


@dataclass
class PlayedStarter:
    """Plays the record that a scenario's name asks for."""

    records: dict[str, Callable[[], RunRecord]] = field(default_factory=dict)
    started: list[tuple[Plan, tuple[str, ...], bool]] = field(default_factory=list)

    def why_not(self, scenario: Scenario, rig: str) -> str | None:
        return None if rig in scenario.rigs[:1] else f"The rig {rig} has no scissors."

    def bridge_command(self, rig: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "bridge") if rig == "embedded" else (f"bridge-of-{rig}",)

    def objection(self, rig: str, command: Sequence[str]) -> str | None:
        return f"the rig {rig} has no program 'gone'; check the command" if command[0] == "gone" else None

    def carry_out(
        self,
        plan: Plan,
        interrupt: threading.Event,
        progress: Callable[[str], None],
        *,
        bridge_command: Sequence[str],
        keep: bool,
    ) -> None:
        self.started.append((plan, tuple(bridge_command), keep))
        progress("playing")
        if plan.scenario.name == "crash":
            raise RuntimeError("no such luck")
        if plan.scenario.name == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)
            interrupt.wait(10)
        lay_down(self.records.get(plan.scenario.name, good)(), plan.scenario, plan.run_dir)


@pytest.fixture
def starter() -> PlayedStarter:
    return PlayedStarter({"dies": died, "unseen": unseen, "broken": broken})


@pytest.fixture
def invoke(tmp_path: Path, starter: PlayedStarter) -> Callable[..., Result]:
    """Runs the command line; a word in capitals becomes a scenario file of that name."""

    def call(*words: str) -> Result:
        arguments = []
        for word in words:
            path = tmp_path / f"{word.lower()}.yaml"
            if word.isupper():
                path.write_text(SCENARIO.format(name=word.lower(), tag="by-hand"))
            arguments.append(str(path) if word.isupper() else word)
        if arguments[0] == "run":
            arguments += ["--out", str(tmp_path / "runs")]
        return CliRunner().invoke(cli, arguments, obj=starter)

    return call


def names_of(starter: PlayedStarter) -> set[str]:
    return {plan.scenario.name for plan, _, _ in starter.started}


@pytest.mark.parametrize(
    ("scenarios", "code"),
    [
        (["GOOD"], 0),
        (["DIES"], 1),
        (["UNSEEN"], 2),
        (["BROKEN"], 4),
        (["CRASH"], 4),
        (["GOOD", "UNSEEN", "BROKEN", "DIES"], 1),
        (["GOOD", "UNSEEN", "BROKEN"], 4),
        (["GOOD", "UNSEEN"], 2),
    ],
)
def test_the_worst_verdict_is_the_exit_code(invoke: Callable[..., Result], scenarios: list[str], code: int):
    assert invoke("run", *scenarios).exit_code == code


def test_what_a_rig_cannot_run_is_listed_and_running_nothing_is_no_pass(invoke: Callable[..., Result], tmp_path: Path):
    result = invoke("run", "GOOD", "--rig", "local")

    assert result.exit_code == 2
    assert "NOT RUN" in result.output
    assert "The rig local has no scissors." in result.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "no-such-scenario"],
        ["run", "no-such-file.yaml"],
        ["run", "tag:no-such-tag"],
        ["run", "--rig", "paper"],
        ["run", "--jobs", "0"],
        ["run", "GOOD", "--bridge", ""],
        ["run", "GOOD", "--bridge", "a 'b"],
        ["run", "GOOD", "--bridge", "gone --x"],
        ["soak", "--minutes", "0.1", "--bridge", "gone --x"],
        ["judge", "no-such-folder"],
        ["judge", "."],
        ["report"],
        ["report", ".", "--format", "paper"],
        ["run", "GOOD", "--profile", "bench"],
        ["validate", str(ROOT / "harness" / "checks")],  # a folder without a scenario file
        ["soak", "--minutes", "nan"],
        ["soak", "--minutes", "1e9"],
        ["frobnicate"],
        ["--no-such-option"],
    ],
)
def test_bad_arguments_are_exit_code_3(invoke: Callable[..., Result], arguments: list[str]):
    result = invoke(*arguments)

    assert result.exit_code == 3
    assert "Traceback" not in result.output


def test_a_folder_without_a_scenario_file_is_no_folder_without_a_problem(invoke: Callable[..., Result], tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no scenario")

    assert f"{tmp_path} holds no scenario file (*.yaml, *.yml)" in invoke("validate", str(tmp_path)).output


def test_a_folder_where_a_scenario_should_be_named_is_told_what_to_name(invoke: Callable[..., Result], tmp_path: Path):
    assert f"it is a folder: name the files in it, {tmp_path}/*.yaml" in invoke("run", str(tmp_path)).output


def test_named_scenarios_of_another_profile_are_named(invoke: Callable[..., Result]):
    assert "none of these is of the profile bench: good (smoke)" in invoke("run", "GOOD", "--profile", "bench").output


@pytest.mark.parametrize("columns", ["0", "40", "80"])
def test_the_table_is_there_however_wide_the_screen_says_to_be(
    invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, columns: str
):
    monkeypatch.setenv("COLUMNS", columns)

    output = invoke("run", "GOOD").output
    assert re.search(r"verdict +measured +limit +margin +target$", output, re.MULTILINE)
    assert re.search(r"exit-clean +PASS +[\d.]+ s +15 +[\d.]+ +1$", output, re.MULTILINE)


def test_a_bad_scenario_is_exit_code_3_with_all_problems_and_nothing_is_run(
    invoke: Callable[..., Result], tmp_path: Path, starter: PlayedStarter
):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SCENARIO.format(name="bad", tag="x").replace("16s", "-16s") + "extra: 1\n")

    for verb in ("run", "validate"):
        result = invoke(verb, "GOOD", str(bad))
        assert result.exit_code == 3
        assert f"{bad}:6: timeline.0.steady: '-16s' is negative" in result.output
        assert f"{bad}:10: unknown key 'extra'" in result.output
    assert starter.started == []


def test_an_interrupt_ends_with_130_and_keeps_the_record(
    invoke: Callable[..., Result], tmp_path: Path, starter: PlayedStarter
):
    result = invoke("run", "CTRL-C", "GOOD", "--jobs", "1")

    assert result.exit_code == 130
    assert [plan.scenario.name for plan, _, _ in starter.started] == ["ctrl-c"]
    assert len(list((tmp_path / "runs").glob("ctrl-c-*/verdict.json"))) == 1


def test_a_soak_that_cannot_write_its_schedule_names_the_mend(invoke: Callable[..., Result], tmp_path: Path):
    (tmp_path / "gone").symlink_to(tmp_path / "unmounted")

    result = invoke("soak", "--minutes", "0.1", "--out", str(tmp_path / "gone"))

    assert result.exit_code == 3
    assert "1 fault in about 0.1 min" in result.output
    assert f"no schedule can be written to {tmp_path / 'gone'}: File exists; give another folder" in result.output


def test_a_bridge_that_there_is_not_is_said_once_and_before_any_run(
    invoke: Callable[..., Result], starter: PlayedStarter, tmp_path: Path
):
    result = invoke("run", "GOOD", "DIES", "--bridge", "gone --x")

    assert result.exit_code == 3
    assert result.output.count("the rig embedded has no program 'gone'; check the command") == 1
    assert not starter.started
    assert not (tmp_path / "runs").exists()


def test_the_bridge_command_is_split_as_a_shell_would(invoke: Callable[..., Result], starter: PlayedStarter):
    invoke("run", "GOOD", "--bridge", "python -m 'my bridge' --x")
    invoke("run", "GOOD", "--keep")

    assert starter.started[0][1:] == (("python", "-m", "my bridge", "--x"), False)
    assert starter.started[1][1:] == ((sys.executable, "-m", "bridge"), True)


def test_repeated_runs_have_folders_and_seeds_of_their_own(invoke: Callable[..., Result], starter: PlayedStarter):
    invoke("run", "GOOD", "--repeat", "3", "--seed", "7")

    plans = [plan for plan, _, _ in starter.started]
    assert sorted(plan.seed for plan in plans) == [7, 8, 9]
    assert len({plan.run_dir for plan in plans}) == 3


def test_without_a_name_the_smoke_profile_is_run(invoke: Callable[..., Result], starter: PlayedStarter):
    invoke("run")

    assert {plan.scenario.profile for plan, _, _ in starter.started} == {"smoke"}
    assert names_of(starter) == {one.name for one in PLAYED if one.profile == "smoke"}


def test_a_name_means_all_variants_and_a_tag_all_that_carry_it(invoke: Callable[..., Result], starter: PlayedStarter):
    invoke("run", "shutdown", "shutdown/silent")
    assert names_of(starter) == {one.name for one in PLAYED if one.name.startswith("shutdown/")} > {"shutdown/silent"}
    starter.started.clear()

    invoke("run", "tag:outage")
    assert names_of(starter) == {one.name for one in PLAYED if "outage" in one.tags}
    assert "collector-outage/silent" in names_of(starter)


def test_a_run_leaves_its_summaries_beside_the_records(invoke: Callable[..., Result], tmp_path: Path):
    result = invoke("run", "GOOD", "DIES")

    assert f"summary: {tmp_path / 'runs' / 'summary.html'} (and summary.md, junit.xml, trend.json)" in result.output
    assert "**1 FAIL, 1 PASS**" in (tmp_path / "runs" / "summary.md").read_text()
    assert 'failures="2"' in (tmp_path / "runs" / "junit.xml").read_text()
    assert "Time line" in (tmp_path / "runs" / "summary.html").read_text()
    assert json.loads((tmp_path / "runs" / "trend.json").read_text())


def test_a_summary_that_cannot_be_written_costs_no_verdict(invoke: Callable[..., Result], tmp_path: Path):
    (tmp_path / "runs" / "summary.html").mkdir(parents=True)

    result = invoke("run", "GOOD")

    assert result.exit_code == 0
    assert "no summary beside the records" in result.output


def test_judge_and_report_give_the_same_verdict_from_the_folder_alone(invoke: Callable[..., Result], tmp_path: Path):
    invoke("run", "DIES", "GOOD")
    (folder,) = (tmp_path / "runs").glob("dies-*")
    saved = (folder / "verdict.json").read_text()
    (folder / "verdict.json").unlink()

    result = invoke("judge", str(folder))

    assert result.exit_code == 1
    assert "survives-bad-input broke: the bridge ended by itself at 7.5 s" in result.output
    assert (folder / "verdict.json").read_text() == saved
    assert invoke("judge", str(tmp_path / "runs")).exit_code == 1


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("console", "1 PASS"),
        ("markdown", "| good | alive | PASS |"),
        ("junit", '<testsuite name="good"'),
        ("trend", '"name": "good alive"'),
        ("html", "✓ PASS"),
    ],
)
def test_report_draws_each_format_on_the_screen_and_into_a_file(
    invoke: Callable[..., Result], tmp_path: Path, form: str, said: str
):
    invoke("run", "GOOD")
    (saved,) = (tmp_path / "runs").glob("*/verdict.json")
    saved.unlink()

    assert said in invoke("report", str(tmp_path / "runs"), "--format", form).output
    assert not saved.exists()
    assert invoke("report", str(tmp_path / "runs"), "--format", form, "--out", str(tmp_path / "r")).exit_code == 0
    assert said in (tmp_path / "r").read_text()


def test_a_damaged_record_is_a_harness_error_and_no_traceback(invoke: Callable[..., Result], tmp_path: Path):
    invoke("run", "GOOD")
    (folder,) = (tmp_path / "runs").glob("good-*")
    (folder / "events.jsonl").write_text("{}\n")

    result = invoke("judge", str(folder))

    assert result.exit_code == 4
    assert "HARNESS ERROR" in result.output


DEEP = "[" * 50_000


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("run.json", lambda _: DEEP),
        ("run.json", lambda text: text.replace('"ended": 19.0', '"ended": "x"')),
        ("run.json", lambda text: text.replace('"lines": {', '"lines": null, "x": {')),
        ("scenario.json", lambda _: DEEP),
        ("scenario.json", lambda text: text.replace('"job"', '"jobb"')),
        ("scenario.json", lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "bridge"})),
        ("scenario.json", lambda _: "{}"),
        ("events.jsonl", lambda text: '{"t":1,"kind":"phase","data":[]}\n' * text.count("\n")),
        ("events.jsonl", lambda text: '{"t":1,"kind":"phase","data":{}}\n' * text.count("\n")),
        ("exports.jsonl", lambda text: f"{DEEP}\n" * text.count("\n")),
        ("seal.json", lambda _: "{}"),
    ],
)
@pytest.mark.parametrize("sealed_again", [True, False])
def test_whatever_is_damaged_is_a_harness_error_in_every_report(
    invoke: Callable[..., Result], tmp_path: Path, name: str, damage: Callable[[str], str], sealed_again: bool
):
    invoke("run", "GOOD")
    (folder,) = (tmp_path / "runs").glob("good-*")
    text = (folder / name).read_text()
    (folder / name).write_text(damage(text))
    assert (folder / name).read_text() != text
    if sealed_again and name != "seal.json":
        seal.write(folder)

    judged = invoke("judge", str(folder))

    assert judged.exit_code == 4
    assert "HARNESS ERROR" in judged.output
    for form in REPORTS:
        drawn = invoke("report", str(folder), "--format", form)
        assert (drawn.exit_code, drawn.exception.__class__) == (4, SystemExit)


def program(*words: str, stdout: object = subprocess.PIPE, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "harness", *words]
    environment = {**os.environ, **more}
    return subprocess.run(
        command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("words", [["list"], ["doctor", "--rig", "embedded"]])
def test_output_that_cannot_be_written_is_4_and_a_sentence(words: list[str]):
    with Path("/dev/full").open("w") as full:
        done = program(*words, stdout=full)

    assert done.returncode == 4
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipe_that_nobody_reads_is_no_fail():
    reading, writing = os.pipe()
    os.close(reading)

    done = program("list", stdout=writing)

    os.close(writing)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


IMPORT_RAISES = """
import sys
class Raising:
    def find_spec(self, name, path=None, target=None):
        if name == "harness.command_line":
            raise {error}
sys.meta_path.insert(0, Raising())
from harness.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("KeyboardInterrupt()", 130, "interrupted\n"),
        ("RuntimeError('no such luck')", 4, "bridge-harness: RuntimeError: no such luck"),
    ],
)
def test_whatever_comes_while_it_is_imported_is_a_sentence(error: str, code: int, said: str):
    script = IMPORT_RAISES.format(error=error)

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


INTERRUPTED_MEANWHILE = """
import functools, os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)

def storm():
    while not threading.Event().wait(0.001):
        os.kill(os.getpid(), signal.SIGINT)

class Imported:
    def find_spec(self, name, path=None, target=None):
        if name == "harness.starter" and {while_imported}:
            threading.Thread(target=storm, daemon=True).start()
sys.meta_path.insert(0, Imported())

from harness.__main__ import main
if not {while_imported}:
    from harness import command_line
    from tests.harness.test_command_line import PlayedStarter

    class Interrupted(PlayedStarter):
        def carry_out(self, plan, interrupt, progress, **more):
            super().carry_out(plan, interrupt, progress, **more)
            threading.Thread(target=storm, daemon=True).start()
            interrupt.wait(10)

    command_line.cli = functools.partial(command_line.cli, obj=Interrupted())
sys.exit(main())
"""


@pytest.mark.parametrize("while_imported", [True, False])
def test_a_storm_of_interrupts_is_one_interrupt_and_the_summaries_are_whole(tmp_path: Path, while_imported: bool):
    scenario = tmp_path / "interrupted.yaml"
    scenario.write_text(SCENARIO.format(name="interrupted", tag="by-hand"))
    script = INTERRUPTED_MEANWHILE.format(while_imported=while_imported)
    command = [sys.executable, "-c", script, "run", str(scenario), "--out", str(tmp_path / "runs")]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert while_imported or {path.name for path in (tmp_path / "runs").iterdir()} >= {*SUMMARIES}


def test_the_traceback_of_a_defect_is_there_for_who_asks_for_it():
    script = IMPORT_RAISES.format(error="RuntimeError('no such luck')")
    environment = {**os.environ, "BRIDGE_HARNESS_DEBUG": "1"}

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )

    assert "Traceback" in done.stderr


def test_list_names_every_scenario_and_what_it_proves(invoke: Callable[..., Result]):
    result = invoke("list")

    assert result.exit_code == 0
    assert "collector-outage/silent" in result.output


def test_without_the_extras_packages_the_extra_is_named():
    code = "import sys; sys.modules['click'] = None; sys.argv = ['bridge-harness', 'list']\n"
    code += "from harness.__main__ import main; sys.exit(main())"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 4
    assert "pip install 'ml-metrics-bridge[harness]'" in done.stderr
    assert "Traceback" not in done.stderr

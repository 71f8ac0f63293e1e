"""Whole runs of a stand-in bridge beside the real mock job on the embedded rig."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import canary, memory_folder, verdict
from harness.checks import Verdict
from harness.faults import FaultError, Seen
from harness.faults.collector import CollectorRefused
from harness.faults.http2_probe import Dialled
from harness.record import RecordError, RunRecord
from harness.record_folder import load
from harness.rigs import RIGS, Setting
from harness.rigs.embedded import Embedded, EmbeddedStanding, how_to_name
from harness.scenario import Scenario
from harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.conftest import OneRun


def actions(record: RunRecord, role: str):
    return [event.data["action"] for event in record.events if event.kind == "process" and event.data["role"] == role]


def fault_events(record: RunRecord):
    return [
        (event.data["fault"], event.data["action"], event.data["ok"])
        for event in record.events
        if event.kind == "fault"
    ]


def until_said(run: OneRun, words: str, within: float = 15):
    wait_until(lambda: any(words in line for line in run.said), within=within, what=f"progress says {words!r}")


def pid_of(run: OneRun, role: str) -> int:
    events = [json.loads(line) for line in (run.run_dir / "events.jsonl").read_text().splitlines()]
    return next(event["data"]["pid"] for event in events if event["data"].get("role") == role)


@contextlib.contextmanager
def beside(run: OneRun, scenario: Scenario, **more: object):
    """The run in a thread of its own."""
    thread = threading.Thread(target=run, args=(scenario,), kwargs=more)
    thread.start()
    try:
        yield thread
    except BaseException:
        run.interrupt.set()
        raise
    finally:
        thread.join(45)
    assert not thread.is_alive()


@pytest.fixture(autouse=True)
def nothing_is_left(one_run: OneRun, count_left: Callable[[Path], list[str]]):
    yield
    assert count_left(one_run.run_dir) == []
    assert not [thread.name for thread in threading.enumerate() if thread.name == "resources"]


def test_a_whole_run_is_recorded_from_the_first_process_to_the_last_write(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short(timeline=[{"steady": 0.5}], settle=0.2))
    record = load(one_run.run_dir)
    assert (record.meta.complete, record.meta.error, record.meta.interrupted) == (True, None, False)
    assert [phase.name for phase in record.phases] == ["warm-up", "steady-1", "settle", "drain"]
    assert record.ledger.ended is not None
    last = record.ledger.writes[-1].values["training_loss"]
    assert record.exports[-1].points[0].value == last
    assert {sample.role for sample in record.resources} == {"bridge", "job", "sink", "relay", "harness"}
    assert record.wire[-1].sent_bytes > sum(export.request_bytes for export in record.exports) > 0
    assert record.meta.origin > 0
    assert record.scenario["name"] == "short"


def test_processes_start_and_end_in_order_and_the_signal_follows_the_last_write_at_once(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short())
    record = load(one_run.run_dir)
    told = [(event.data["role"], event.data["action"]) for event in record.events if event.kind == "process"]
    assert [role for role, action in told if action == "started"] == ["sink", "relay", "job", "bridge"]
    assert [role for role, action in told if action == "exited"] == ["job", "bridge", "relay", "sink"]
    assert actions(record, "bridge") == ["started", "ready", "signalled", "exited"]
    times = {(event.data["role"], event.data["action"]): event.t for event in record.events if event.kind == "process"}
    assert times["bridge", "signalled"] - record.ledger.writes[-1].t < 0.2
    codes = {
        event.data["role"]: event.data["exit_code"] for event in record.events if event.data.get("action") == "exited"
    }
    assert codes == {"job": 0, "bridge": 0, "relay": 0, "sink": 0}


def test_ready_is_the_arrival_of_the_first_metric(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short())
    record = load(one_run.run_dir)
    (ready,) = [event.t for event in record.events if event.data.get("action") == "ready"]
    assert ready == pytest.approx(next(export.t for export in record.exports if export.points))


def test_a_fault_is_verified_at_both_ends_of_its_hold_and_healed(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(timeline=[{"fault": "collector-refused", "for": 0.4, "recovery": 1.0, "name": "outage"}]))
    record = load(one_run.run_dir)
    assert fault_events(record) == [
        ("collector-refused", action, True) for action in ("inject", "verify", "verify", "heal")
    ]
    spans = {phase.name: phase for phase in record.phases}
    assert spans["outage"].kind == "fault"
    assert spans["outage"].end - spans["outage"].start >= 0.4
    assert spans["outage-recovery"].kind == "recovery"
    outage = spans["outage"]
    heal = next(event.t for event in record.events if event.data.get("action") == "heal")
    assert not [export.t for export in record.exports if outage.start + 0.1 < export.t < heal]
    assert [export.t for export in record.exports if export.t > heal]


def test_a_fault_is_held_as_long_however_long_it_took_to_inject(
    one_run: OneRun, short: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
):
    inject = CollectorRefused.inject

    def slowly(self: CollectorRefused) -> str:
        threading.Event().wait(0.8)
        return inject(self)

    monkeypatch.setattr(CollectorRefused, "inject", slowly)
    one_run(short(timeline=[{"fault": "collector-refused", "for": 0.6, "recovery": 0.5, "name": "outage"}]))
    in_place, still = [one.t for one in load(one_run.run_dir).events if one.data.get("action") == "verify"]
    assert still - in_place >= 0.6


class JammedDoor(Dialled):
    """A door to the collector that does nothing, and cannot be told one of its modes."""

    host = "127.0.0.1"

    def __init__(self, port: int, jams_at: str) -> None:
        self.port = port
        self.jams_at = jams_at

    def set_mode(self, mode: str) -> None:
        if mode == self.jams_at:
            raise FaultError("the door is jammed")

    def mode(self) -> str:
        return "forward"


class Jammed(Embedded):
    """The embedded rig with such a door."""

    def __init__(self, jams_at: str) -> None:
        super().__init__()
        self.jams_at = jams_at

    def up(self, setting: Setting) -> EmbeddedStanding:
        standing = super().up(setting)
        door = JammedDoor(standing.ground.collector.port, self.jams_at)
        standing.ground = replace(standing.ground, collector=door)
        return standing


@pytest.mark.parametrize("jams_at", ["refuse", "forward", "never"])
def test_a_fault_that_does_not_take_is_recorded_and_the_run_goes_on(
    one_run: OneRun, short: Callable[..., Scenario], jams_at: str
):
    one_run(short(timeline=[{"fault": "collector-refused", "for": 0.1}, {"steady": 0.1}]), rig=Jammed(jams_at))
    record = load(one_run.run_dir)
    assert [(action, ok) for _, action, ok in fault_events(record)] == [
        ("inject", jams_at != "refuse"),
        ("verify", False),
        ("verify", False),
        ("heal", jams_at != "forward"),
    ]
    assert record.meta.error is None
    assert [phase.name for phase in record.phases][-2:] == ["steady-2", "drain"]


def test_a_fault_may_hold_while_the_bridge_stops(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(stop={"signal": "TERM", "grace": 5.0, "under": {"fault": "collector-refused"}}))
    record = load(one_run.run_dir)
    assert [action for _, action, _ in fault_events(record)] == ["inject", "verify", "verify", "heal"]
    times = {event.data.get("action"): event.t for event in record.events if event.data.get("role") in {None, "bridge"}}
    assert times["inject"] < times["signalled"] < times["exited"] < times["heal"]


def test_a_bridge_that_ignores_the_signal_is_killed_after_its_grace(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(stop={"signal": "TERM", "grace": 0.5}), "deaf")
    record = load(one_run.run_dir)
    assert actions(record, "bridge") == ["started", "ready", "signalled", "killed", "exited"]
    ended = next(
        event for event in record.events if event.data.get("role") == "bridge" and event.data["action"] == "exited"
    )
    assert ended.data["exit_code"] == -signal.SIGKILL
    assert record.meta.error is None


def metrics_file_of(run_dir: Path) -> Path:
    lines = map(json.loads, (run_dir / "events.jsonl").read_text().splitlines())
    return Path(next(line["data"]["metrics_file"] for line in lines if line["kind"] == "ground"))


def test_the_metrics_folder_stands_in_memory_where_it_can_and_is_gone_afterwards(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short())
    record = load(one_run.run_dir)
    (ground,) = [event.data for event in record.events if event.kind == "ground"]
    folder = metrics_file_of(one_run.run_dir).parent.parent
    if folder.parent in memory_folder.PLACES:
        assert ground["file_system"] == "tmpfs"
        assert not folder.exists()
    else:
        assert folder == one_run.run_dir


def never_ready(record: RunRecord) -> str:
    (reason,) = [event.data["reason"] for event in record.events if event.data.get("action") == "never-ready"]
    return str(reason)


def test_a_bridge_that_exits_before_it_is_ready_fails_with_its_code_and_last_words(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short(), "exits")
    record = load(one_run.run_dir)
    assert record.meta.error is None
    assert "exited with code 7" in never_ready(record)
    assert "no such luck" in never_ready(record)
    assert [event.data["ok"] for event in record.events if event.kind == "canary"] == [True, True]
    judgement = verdict.judge(record)
    assert judgement.verdict is Verdict.FAIL
    assert "exited with code 7" in judgement.reason


def test_a_bridge_that_delivers_nothing_fails_as_silent(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(ready_within=1.0), "silent")
    record = load(one_run.run_dir)
    assert "silent" in never_ready(record)
    assert "0 Export calls" in never_ready(record)
    assert [phase.name for phase in record.phases] == ["drain"]
    judgement = verdict.judge(record)
    assert judgement.verdict is Verdict.FAIL
    assert "an Export call of the harness's own was answered with OK" in judgement.reason


def test_a_silent_bridge_on_a_way_that_carries_nothing_is_an_error_of_the_harness(
    one_run: OneRun, short: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
):
    answers = iter([True, False])
    monkeypatch.setattr(canary, "send", lambda *_: Seen(ok=next(answers), evidence="it was tried"))
    one_run(short(ready_within=1.0), "silent")
    record = load(one_run.run_dir)
    assert "silent" in record.meta.error
    assert [event.data["ok"] for event in record.events if event.kind == "canary"] == [True, False]
    assert verdict.judge(record).verdict is Verdict.HARNESS_ERROR


def test_the_harnesss_own_call_is_none_of_the_bridges(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(ready_within=1.0), "silent")
    assert load(one_run.run_dir).exports == ()


def test_a_bridge_that_dies_in_the_middle_is_recorded_at_once_and_the_run_goes_to_its_end(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short(timeline=[{"steady": 1.5}]), "mortal")
    record = load(one_run.run_dir)
    ended = next(
        event for event in record.events if event.data.get("role") == "bridge" and event.data["action"] == "exited"
    )
    assert ended.data["exit_code"] == 9
    drain = next(phase for phase in record.phases if phase.kind == "drain")
    assert ended.t < drain.start - 0.3
    assert record.meta.error is None
    assert "signalled" not in actions(record, "bridge")


def test_a_bridge_that_there_is_not_is_an_error_that_names_it(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(), bridge_command=["no-such-bridge"])
    assert "no-such-bridge" in load(one_run.run_dir).meta.error


def test_a_rig_objects_to_a_command_that_it_cannot_start():
    assert (
        RIGS["embedded"].objection(["no-such-bridge", "--x"])
        == "no program 'no-such-bridge' on PATH; check the command"
    )
    assert "an image needs --rig compose" in str(RIGS["local"].objection(["image:mine:1"]))
    for name in ("compose", "kubernetes"):
        assert "names no image" in str(RIGS[name].objection(["image:"]))
        assert RIGS[name].objection(["a-program-of-the-image"]) is None
    assert RIGS["kubernetes"].objection(["image:mine:1", "--x"]) is None  # what the nodes pull is theirs to know
    for name in ("embedded", "local"):  # the PATH is the child's: this Python's folder stands first
        assert RIGS[name].objection(["python", "-m", "bridge"]) is None


def test_a_job_that_ends_by_itself_is_waited_for(one_run: OneRun, short: Callable[..., Scenario]):
    job = {"write_period": 0.1, "epochs": 1, "batches_per_epoch": 25, "ends_by_itself": True}
    one_run(short(job=job, timeline=[{"steady": 0.1}]))
    record = load(one_run.run_dir)
    assert len(record.ledger.writes) >= 25
    assert record.exports[-1].points[0].value == record.ledger.writes[-1].values["training_loss"]


@pytest.mark.parametrize(
    ("program", "mend"),
    [
        ("image:mine:1", "an image needs --rig compose"),
        ("MY_LEVEL=3", "a variable stands behind env: --bridge 'env MY_LEVEL=3 COMMAND'"),
        ("~/bin/mine", "write the whole path"),
        (str(Path(__file__).parent), "it is there, and may not be executed"),
        ("no-such-bridge", "check the command"),
    ],
)
def test_the_first_word_of_a_command_that_is_no_program_is_told_how_to_mend_it(program: str, mend: str):
    assert mend in how_to_name(program)


@pytest.mark.parametrize("role", ["sink", "relay"])
def test_a_rig_whose_own_process_dies_ends_the_run_with_its_name(
    one_run: OneRun, short: Callable[..., Scenario], role: str
):
    with beside(one_run, short(timeline=[{"steady": 30.0}])):
        until_said(one_run, "steady-1")
        pid = pid_of(one_run, role)
        os.kill(pid, signal.SIGKILL)
    assert f"the {role} ended in the middle of the run" in load(one_run.run_dir).meta.error


@pytest.mark.parametrize(
    ("moment", "nature"),
    [
        (None, ""),
        ("", "silent"),
        ("warm-up", ""),
        ("steady-1", ""),
        ("verify ok", ""),
        ("recovery", ""),
        ("drain", "deaf"),
    ],
)
def test_an_interrupt_at_any_moment_heals_stops_everything_and_keeps_the_record(
    one_run: OneRun, short: Callable[..., Scenario], moment: str | None, nature: str
):
    timeline = [{"steady": 0.2}, {"fault": "collector-refused", "for": 0.5, "recovery": 0.5}]
    of = short(warm_up=0.3, timeline=timeline, stop={"signal": "TERM", "grace": 30.0})
    if moment is None:
        one_run.interrupt.set()
    with beside(one_run, of, nature=nature):
        if moment == "":
            wait_until((one_run.run_dir / "bridge.log").exists, within=15, what="the bridge was started")
        elif moment:
            until_said(one_run, moment)
        began = time.monotonic()
        one_run.interrupt.set()
    assert time.monotonic() - began < 6
    record = load(one_run.run_dir)
    assert (record.meta.complete, record.meta.interrupted, record.meta.error) == (True, True, None)
    done = [action for _, action, _ in fault_events(record)]
    assert done.count("heal") == done.count("inject")


def test_a_sink_that_stands_still_is_no_failure_of_the_bridge(one_run: OneRun, short: Callable[..., Scenario]):
    with beside(one_run, short(timeline=[{"steady": 30.0}])):
        until_said(one_run, "steady-1")
        os.kill(pid_of(one_run, "sink"), signal.SIGSTOP)
    assert "the sink (pid " in load(one_run.run_dir).meta.error
    assert "was stopped by somebody's signal" in load(one_run.run_dir).meta.error


def test_runs_side_by_side_do_not_touch_each_other(one_run: OneRun, short: Callable[..., Scenario], tmp_path: Path):
    other_dir = tmp_path / "other"
    faulty = short(timeline=[{"fault": "collector-refused", "for": 0.6, "recovery": 0.2}])
    with beside(one_run, faulty):
        one_run(short(timeline=[{"steady": 0.8}]), run_dir=other_dir)
    record = load(other_dir)
    assert record.meta.error is None
    assert record.exports[-1].points[0].value == record.ledger.writes[-1].values["training_loss"]
    assert {event.kind for event in record.events} == {"phase", "process", "member", "canary", "ground"}


def test_a_folder_that_holds_a_run_is_refused(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short())
    with pytest.raises(RecordError, match="holds a run already"):
        one_run(short())


def test_the_bridge_sees_the_contracts_variables_and_nothing_of_the_harness(
    one_run: OneRun, short: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("A_SECRET_OF_THE_HARNESS", "x")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    one_run(short(bridge={"interval": 0.05, "env": {"BRIDGE_LOG_FORMAT": "json"}}))
    seen = (one_run.run_dir / "bridge.log").read_text().splitlines()[0].split()[1:]
    assert seen == [
        "BRIDGE_LOG_FORMAT",
        "COLLECTION_INTERVAL",
        "HARNESS_PROCESS",
        "LANG",
        "LOG_LEVEL",
        "METRICS_FILE_PATH",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "PATH",
        "PYTHONPATH",
    ]


def test_a_rig_that_cannot_stand_here_says_what_it_lacks(one_run: OneRun, short: Callable[..., Scenario]):
    class Lacking(Embedded):
        def lacking(self) -> tuple[str, ...]:
            return ("toxiproxy: nox -s tools builds it",)

    one_run(short(), rig=Lacking())
    assert "nox -s tools" in load(one_run.run_dir).meta.error


def test_a_job_that_cannot_start_is_an_error_that_shows_in_the_record(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(ready_within=1.0), rig=Embedded(job_command=["no-such-job"]))
    assert "no-such-job" in load(one_run.run_dir).meta.error
    assert RIGS["embedded"].lacking() == ()


def test_a_job_that_comes_after_the_bridge_is_started_after_it(one_run: OneRun, short: Callable[..., Scenario]):
    one_run(short(start={"job_after": 0.4, "without_folder": True}))
    record = load(one_run.run_dir)
    assert record.meta.error is None
    told = [(event.data["role"], event.data["action"]) for event in record.events if event.kind == "process"]
    assert [role for role, action in told if action == "started"] == ["sink", "relay", "bridge", "job"]
    assert [phase.name for phase in record.phases] == ["before-the-job", "warm-up", "steady-1", "drain"]
    times = {(event.data["role"], event.data["action"]): event.t for event in record.events if event.kind == "process"}
    assert times["job", "started"] - times["bridge", "started"] >= 0.4
    assert times["bridge", "ready"] > times["job", "started"]


@pytest.mark.parametrize("nature", ["exits", "silent"])
def test_a_bridge_that_is_never_ready_for_a_late_job_is_left_to_the_checks(
    one_run: OneRun, short: Callable[..., Scenario], nature: str
):
    one_run(short(start={"job_after": 0.2}, ready_within=1.0), nature)
    record = load(one_run.run_dir)
    assert record.meta.error is None
    assert [phase.name for phase in record.phases] == ["before-the-job", "drain"]
    assert record.ledger.ended is not None
    assert "exited" in actions(record, "bridge")
    assert "ready" not in actions(record, "bridge")


def test_a_job_that_is_started_again_has_a_ledger_of_its_own_in_the_record(
    one_run: OneRun, short: Callable[..., Scenario]
):
    one_run(short(timeline=[{"fault": "job-gone", "with": {"by": "killing"}, "for": 0.3, "recovery": 0.5}]))
    record = load(one_run.run_dir)
    assert [event["ok"] for event in (e.data for e in record.events if e.kind == "fault")] == [True] * 4
    assert {write.process for write in record.ledger.writes} == {1, 2}
    assert [write.sequence for write in record.ledger.writes] == list(range(1, len(record.ledger.writes) + 1))
    assert record.ledger.ended is not None
    assert record.exports[-1].points[0].value == record.ledger.writes[-1].values["training_loss"]
    assert "ledger-2.jsonl" in record.meta.lines
    (one_run.run_dir / "ledger-2.jsonl").unlink()
    with pytest.raises(RecordError, match=r"ledger-2\.jsonl is damaged"):
        load(one_run.run_dir)


def test_a_bridge_that_is_to_obey_permissions_cannot_pass_them_by(one_run: OneRun, short: Callable[..., Scenario]):
    timeline = [{"fault": "file-permission-taken", "for": 0.5, "recovery": 0.5}]
    one_run(short(bridge={"interval": 0.05, "obeys_permissions": True}, timeline=timeline))
    record = load(one_run.run_dir)
    assert [event["ok"] for event in (e.data for e in record.events if e.kind == "fault")] == [True] * 4
    assert "PermissionError" in (one_run.run_dir / "bridge.log").read_text()
    began, ended = (
        next(e.t for e in record.events if e.data.get("action") == action and e.kind == "fault")
        for action in ("verify", "heal")
    )
    assert not [export for export in record.exports if began + 0.1 < export.t < ended]


def test_a_job_that_ends_with_an_error_is_no_fault_of_the_bridge(one_run: OneRun, short: Callable[..., Scenario]):
    with beside(one_run, short(timeline=[{"steady": 30.0}])):
        until_said(one_run, "steady-1")
        shutil.rmtree(metrics_file_of(one_run.run_dir).parent)
    error = load(one_run.run_dir).meta.error
    assert "the job ended in the middle of the run with code 1" in error
    assert "current.tmp" in error

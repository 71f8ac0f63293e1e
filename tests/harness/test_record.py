from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import programs, provenance, seal
from harness.record import SCHEMA_VERSION, Export, Meta, Point, RecordError
from harness.record_folder import load
from harness.recorder import Recorder
from harness.samples import MachineSample, ResourceSample, WireSample

ORIGIN = 1000.0
META = Meta(
    schema_version=SCHEMA_VERSION,
    run="run",
    scenario="steady",
    rig="embedded",
    bridge_command=("python", "-m", "bridge"),
    seed=7,
    started_at="2026-01-01T00:00:00+00:00",
    origin=ORIGIN,
    versions={"python": "3.11"},
    machine={"cpus": 2},
)
EXPORT = {
    "t": 1002.5,
    "answered": "OK",
    "request_bytes": 10,
    "resource": {"service.name": "b"},
    "points": [
        {
            "metric": "m",
            "kind": "gauge",
            "value": 0.5,
            "time_unix_nano": 1,
            "start_time_unix_nano": 0,
            "attributes": {"job.id": "j"},
        }
    ],
}


@pytest.fixture
def run_dir(tmp_path: Path):
    return tmp_path / "run"


def record(run_dir: Path, *, finish: bool = True, interrupted: bool = False, error: str | None = None) -> Recorder:
    recorder = Recorder(run_dir, META, {"name": "steady"}, clock=lambda: ORIGIN + 4)
    recorder.event("phase", ORIGIN + 1, name="warm-up", phase="warm-up")
    recorder.event("phase", ORIGIN + 2, name="steady-1", phase="steady")
    recorder.event("process", ORIGIN + 1.5, role="bridge", action="ready")
    recorder.sample(ResourceSample(ORIGIN + 2, "bridge", 0.5, 100, 200, 1, 3, 1))
    recorder.sample(MachineSample(ORIGIN + 2, 0.5, 1, 2, 1000))
    (run_dir / "exports.jsonl").write_text(json.dumps(EXPORT) + "\n")
    wire = {"t": ORIGIN + 3, "sent_bytes": 5, "received_bytes": 6, "connections": 1}
    (run_dir / "wire.jsonl").write_text(json.dumps(wire) + "\n")
    if finish:
        recorder.finish(error=error, interrupted=interrupted)
    return recorder


def test_what_is_recorded_is_loaded_with_times_since_the_origin(run_dir: Path):
    record(run_dir)
    loaded = load(run_dir)
    assert loaded.meta.complete
    assert loaded.meta.ended == 4
    assert loaded.scenario == {"name": "steady"}
    assert [(event.t, event.kind) for event in loaded.events] == [(1, "phase"), (1.5, "process"), (2, "phase")]
    assert [(phase.name, phase.kind, phase.start, phase.end) for phase in loaded.phases] == [
        ("warm-up", "warm-up", 1, 2),
        ("steady-1", "steady", 2, 4),
    ]
    point = Point("m", "gauge", 0.5, 1, 0, {"job.id": "j"})
    assert loaded.exports == (Export(2.5, "OK", 10, {"service.name": "b"}, (point,)),)
    assert loaded.resources == (ResourceSample(2, "bridge", 0.5, 100, 200, 1, 3, 1),)
    assert loaded.wire == (WireSample(3, 5, 6, 1),)
    assert loaded.machine == (MachineSample(2, 0.5, 1, 2, 1000),)
    assert loaded.ledger.writes == ()


def test_a_record_of_version_1_is_read_and_what_it_does_not_hold_is_none(run_dir: Path):
    record(run_dir)
    (run_dir / "machine.jsonl").unlink()
    meta = json.loads((run_dir / "run.json").read_text())
    lines = {name: count for name, count in meta["lines"].items() if name != "machine.jsonl"}
    (run_dir / "run.json").write_text(json.dumps({**meta, "schema_version": 1, "lines": lines}))
    old = {"t": ORIGIN + 2, "role": "bridge", "cpu_seconds": 0.5, "rss_bytes": 100, "peak_rss_bytes": 200}
    (run_dir / "resources.jsonl").write_text(json.dumps({**old, "threads": 1, "fds": 3, "processes": 1}) + "\n")
    seal.write(run_dir)
    loaded = load(run_dir)
    assert loaded.resources[0].pss_bytes is None
    assert loaded.wire[0].sent_header_bytes is None
    assert loaded.machine == ()


def test_a_record_of_this_version_must_count_its_own_files(run_dir: Path):
    record(run_dir)
    meta = json.loads((run_dir / "run.json").read_text())
    del meta["lines"]["machine.jsonl"]
    (run_dir / "run.json").write_text(json.dumps(meta))
    seal.write(run_dir)
    with pytest.raises(RecordError, match=r"how many lines machine\.jsonl had"):
        load(run_dir)


def test_a_run_that_was_cut_off_gives_the_part_that_it_has(run_dir: Path):
    recorder = record(run_dir, finish=False)
    with (run_dir / "exports.jsonl").open("a") as file:
        file.write(json.dumps(EXPORT)[:50])
    loaded = load(run_dir)
    recorder.finish(error=None, interrupted=True)
    assert not loaded.meta.complete
    assert len(loaded.exports) == 1
    assert loaded.phases[-1].end == 2


def test_error_and_interruption_are_kept(run_dir: Path):
    record(run_dir, interrupted=True, error="the sink ended")
    assert load(run_dir).meta.interrupted
    assert load(run_dir).meta.error == "the sink ended"


def test_a_folder_without_a_run_is_none(tmp_path: Path):
    with pytest.raises(RecordError, match="no run folder"):
        load(tmp_path)


def test_another_version_is_named(run_dir: Path):
    record(run_dir)
    meta = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**meta, "schema_version": 99}))
    with pytest.raises(RecordError, match="version 99"):
        load(run_dir)


@pytest.mark.parametrize("name", ["events.jsonl", "exports.jsonl", "resources.jsonl", "wire.jsonl"])
@pytest.mark.parametrize("bad", ["{", '{"t": "soon"}', "[]", '{"t": 1001.0, "unknown": 1}', "null"])
def test_a_damaged_line_is_named_by_file_and_number(run_dir: Path, name: str, bad: str):
    record(run_dir)
    path = run_dir / name
    lines = path.read_text().splitlines()
    path.write_text("\n".join([bad, *lines[1:]]) + "\n")
    seal.write(run_dir)
    with pytest.raises(RecordError, match=rf"{name}:1 is damaged"):
        load(run_dir)


def test_a_complete_run_that_lost_its_ledger_is_damaged(run_dir: Path):
    run_dir.mkdir()
    start = {"kind": "start", "t": ORIGIN, "pid": 1, "job": "mock", "period_seconds": 1.0, "write_mode": "rename"}
    (run_dir / "ledger.jsonl").write_text(json.dumps(start) + "\n")
    record(run_dir)
    assert load(run_dir).ledger.period_seconds == 1
    (run_dir / "ledger.jsonl").unlink()
    with pytest.raises(RecordError, match=r"ledger\.jsonl is damaged"):
        load(run_dir)


@pytest.mark.parametrize("name", ["events.jsonl", "exports.jsonl", "resources.jsonl", "wire.jsonl"])
def test_a_complete_run_that_lost_a_line_is_damaged(run_dir: Path, name: str):
    record(run_dir)
    path = run_dir / name
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    seal.write(run_dir)
    with pytest.raises(RecordError, match=f"{name} is damaged"):
        load(run_dir)


SEALED = ["run.json", "scenario.json", "events.jsonl", "exports.jsonl", "resources.jsonl", "wire.jsonl", "bridge.log"]


@pytest.mark.parametrize("name", SEALED)
def test_a_complete_run_that_was_edited_is_damaged_and_the_file_is_named(run_dir: Path, name: str):
    run_dir.mkdir()
    (run_dir / "bridge.log").write_text("0.5\n")
    record(run_dir)
    path = run_dir / name
    text = path.read_text()
    path.write_text(text.replace("5", "4") if "5" in text else text + " ")
    with pytest.raises(RecordError, match=rf"{name} is damaged: it is not as the run left it"):
        load(run_dir)


@pytest.mark.parametrize("name", ["exports.jsonl", "scenario.json"])
def test_a_complete_run_that_lost_a_file_is_damaged_and_the_file_is_named(run_dir: Path, name: str):
    record(run_dir)
    (run_dir / name).unlink()
    with pytest.raises(RecordError, match=rf"{name} is damaged: it is gone"):
        load(run_dir)


def test_a_complete_run_to_which_a_ledger_was_added_is_damaged(run_dir: Path):
    record(run_dir)
    (run_dir / "ledger-2.jsonl").write_text("")
    with pytest.raises(RecordError, match=r"ledger-2\.jsonl is not under the record's seal"):
        load(run_dir)


@pytest.mark.parametrize(
    "bad", [None, "", "{", "[]", "{}", '{"schema_version": 1, "sha256": {}}', "[" * 50_000, '{"schema_version": 2}']
)
def test_a_complete_run_without_a_whole_seal_is_damaged(run_dir: Path, bad: str | None):
    record(run_dir)
    (run_dir / "seal.json").unlink()
    if bad is not None:
        (run_dir / "seal.json").write_text(bad)
    with pytest.raises(RecordError, match=r"seal\.json is (missing|damaged)"):
        load(run_dir)


def test_an_interrupted_run_has_no_seal_and_cannot_be_made_a_finished_one(run_dir: Path):
    record(run_dir, interrupted=True)
    assert not (run_dir / "seal.json").exists()
    meta = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**meta, "interrupted": False}))
    with pytest.raises(RecordError, match=r"seal\.json is missing"):
        load(run_dir)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lines": None}, "lines"),
        ({"lines": {}}, "how many lines back_end.jsonl had"),
        ({"lines": {"events.jsonl": "3"}}, "lines"),
        ({"ended": "x"}, "ended"),
        ({"ended": None}, "when it ended"),
        ({"origin": "0"}, "origin"),
        ({"origin": float("nan")}, "finite"),
        ({"complete": 1}, "complete"),
        ({"seed": None}, "seed"),
        ({"machine": []}, "machine"),
        ({"bridge_command": "python"}, "bridge_command"),
        ({"later": 1}, "nobody knows 'later'"),
    ],
)
def test_a_description_of_the_run_with_a_wrong_value_is_damaged(run_dir: Path, changed: dict[str, object], said: str):
    record(run_dir)
    meta = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**meta, **changed}))
    seal.write(run_dir)
    with pytest.raises(RecordError, match=rf"run\.json is damaged: .*{said}"):
        load(run_dir)


@pytest.mark.parametrize("name", ["run.json", "scenario.json", "events.jsonl"])
def test_what_is_nested_without_end_is_damaged(run_dir: Path, name: str):
    record(run_dir)
    count = (run_dir / name).read_text().count("\n")
    (run_dir / name).write_text("[" * 50_000 + "\n" * count)
    seal.write(run_dir)
    with pytest.raises(RecordError, match=name):
        load(run_dir)


@pytest.mark.parametrize("bad", ["{", "[]", '{"schema_version": 1}'])
def test_a_damaged_description_of_the_run_is_no_traceback(run_dir: Path, bad: str):
    record(run_dir)
    (run_dir / "run.json").write_text(bad)
    with pytest.raises(RecordError, match=r"run\.json"):
        load(run_dir)


def test_a_second_run_in_the_same_folder_is_refused(run_dir: Path):
    record(run_dir)
    with pytest.raises(RecordError, match="holds a run already"):
        record(run_dir)


def test_what_comes_after_the_end_is_not_recorded(run_dir: Path):
    record(run_dir).event("note", text="too late")
    assert "note" not in {event.kind for event in load(run_dir).events}


def test_a_run_on_the_local_rig_tells_the_versions_of_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho prometheus, version 3.13.5\n")
    program.chmod(0o755)
    monkeypatch.setattr(programs, "folders", lambda: [tmp_path])
    programs.versions_on.cache_clear()
    found = programs.versions_on("local")
    programs.versions_on.cache_clear()
    assert found == {"prometheus": "prometheus, version 3.13.5"}
    assert programs.versions_on("embedded") == {}
    told = provenance.meta("steady", "local", ("bridge",), tmp_path, 1, programs=found).versions
    assert told["prometheus"] == "prometheus, version 3.13.5"
    assert {"python", "psutil", "toxiproxy-python"} <= told.keys()

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest

import benchmarks.load.__main__ as load
from benchmarks.load.sidecar import Observed, schedule
from benchmarks.load.step import Order, Row, knee, row_of, table
from bridge.errors import TransportError
from bridge.transports import Answer
from harness.observers.prometheus import PrometheusError
from harness.rigs.contract import RigError

ORDER = Order("step", sidecars=2, collectors=1, interval_seconds=10.0, ticks=2, backlog=0, begins=1000.0)


def step(
    folder: Path, order: Order = ORDER, *, late: float = 0.0, delivered: int = 2, calls: tuple = (), busy: float = 0.0
) -> Row:
    made = calls or tuple(
        [number, due, due + 0.1, "OK", 100, [due]] for number in range(2) for due in (1000.0 + number, 1010.0 + number)
    )
    (folder / "calls-1.jsonl").write_text("".join(json.dumps(call) + "\n" for call in made))
    ended = [{"sidecar": n, "put": 2, "delivered": delivered, "dropped": {}, "late": [late, late]} for n in range(2)]
    (folder / "sidecars-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in ended))
    samples = [
        {"t": 1000.0 + t, "role": role, "pid": 1, "rss_bytes": 2**20 * (t + 1), "cpu_seconds": t / 10}
        for t in range(21)
        for role in ("collector-1", "locust")
    ]
    samples += [
        {"t": 1000.0 + t, "role": "machine", "pid": 0, "rss_bytes": 0, "cpu_seconds": t * busy} for t in range(21)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in samples))
    (folder / "step.json").write_text(json.dumps({**asdict(order), "series": 90}))
    return row_of(folder)


def test_a_step_that_was_offered_in_time_and_delivered_passes(tmp_path: Path):
    row = step(tmp_path)
    assert (row.verdict, row.lost, row.offered_share, row.series) == ("PASS", 0, 1.0, 90)
    assert row.p99_seconds == pytest.approx(0.1)
    assert row.collector_cpu_percent == pytest.approx(10.0)
    assert row.collector_rss_mib == pytest.approx(21.0)


def test_latency_counts_from_the_due_time_and_not_from_the_call(tmp_path: Path):
    calls = tuple([0, 1005.0, 1005.1, "OK", 100, [due]] for due in (1000.0, 1005.0))
    assert step(tmp_path, calls=calls).p99_seconds == pytest.approx(5.1)


def test_the_first_interval_in_which_all_connect_is_told_from_the_others(tmp_path: Path):
    calls = tuple([0, due, due + took, "OK", 9, [due]] for due, took in ((1000.0, 2.5), (1009.9, 2.0), (1010.0, 0.04)))
    row = step(tmp_path, calls=calls)
    assert (row.p99_seconds, row.p99_first_seconds) == (pytest.approx(2.5), pytest.approx(2.5))
    assert row.p99_later_seconds == pytest.approx(0.04)
    assert row.generator_first_cpu_percent == pytest.approx(10.0)
    assert knee([row]).endswith(
        "p99 was 2.50 s in the first interval, in which each connects and the generator, one process, took 10 % of a "
        "core, and 0.04 s after it."
    )


def test_the_records_of_an_earlier_test_are_judged_again_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name, begins in (("later", 1000.0), ("earlier", 999.5)):
        (tmp_path / name).mkdir()
        step(tmp_path / name, replace(ORDER, begins=begins))
    assert load.main(["--judge", str(tmp_path)]) == 0
    assert [row["name"] for row in json.loads((tmp_path / "load.json").read_text())] == ["earlier", "later"]
    assert "| earlier | 2 | 1 | 100.0 % |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"), [(None, "holds no record of a step"), ("{", "one is damaged"), ("{}", "one is damaged")]
)
def test_what_cannot_be_judged_again_is_told_without_a_traceback(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    if text is not None:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "step.json").write_text(text)
    assert load.main(["--judge", str(tmp_path)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("not judged: ")
    assert said in line


def test_what_was_not_offered_in_time_is_inconclusive_and_no_failure(tmp_path: Path):
    assert step(tmp_path, late=2.0, delivered=1).verdict == "INCONCLUSIVE"


def test_a_sidecar_that_never_came_to_its_end_is_inconclusive(tmp_path: Path):
    assert step(tmp_path, replace(ORDER, sidecars=3)).verdict == "INCONCLUSIVE"


def test_a_lost_request_fails_whatever_the_step_is(tmp_path: Path):
    row = step(tmp_path, replace(ORDER, kind="herd"), delivered=1)
    assert (row.verdict, row.lost) == ("FAIL", 2)


def test_a_refusal_fails_a_step_and_is_expected_where_a_collector_is_killed(tmp_path: Path):
    calls = ([0, 1000.0, 1000.1, "OK", 9, [1000.0]], [0, 1001.0, 1001.1, "UNAVAILABLE", 9, []])
    assert step(tmp_path, calls=calls).verdict == "FAIL"
    assert step(tmp_path, replace(ORDER, kind="killed"), calls=calls).verdict == "PASS"


def test_recovery_ends_with_the_last_request_that_had_waited(tmp_path: Path):
    order = replace(ORDER, kind="herd", recovers=1000.0)
    calls = (
        [0, 1000.5, 1001.0, "OK", 9, [400.0]],
        [0, 1002.0, 1003.0, "OK", 9, [990.0]],
        [0, 1010, 1010.1, "OK", 9, [1010]],
    )
    assert step(tmp_path, order, calls=calls).recovery_seconds == pytest.approx(3.0)


def test_what_is_slow_because_of_neighbours_says_nothing_of_the_collector(tmp_path: Path):
    calls = tuple([0, 1005.0, 1005.1, "OK", 100, [due]] for due in (1000.0, 1005.0))
    assert step(tmp_path, replace(ORDER, cpus=2), calls=calls, busy=0.2).verdict == "FAIL"
    assert step(tmp_path, replace(ORDER, cpus=2), calls=calls, busy=1.8).verdict == "INCONCLUSIVE"
    assert step(tmp_path, replace(ORDER, cpus=2), busy=1.8).verdict == "PASS"


def test_the_knee_is_the_last_step_that_holds_with_the_reason_of_the_next(tmp_path: Path):
    row = step(tmp_path)
    fails = replace(row, sidecars=4, verdict="FAIL", reason="p99 is 3 s.")
    assert knee([row, fails]).startswith("With one Collector 2 sidecars hold; 4 do not: p99 is 3 s.")
    assert "the most that was tried" in knee([row])
    undecided = replace(fails, verdict="INCONCLUSIVE", reason="only 90 % was offered.")
    assert "2 sidecars hold; 4 are not decided: only 90 %" in knee([row, undecided])
    assert table([row]).splitlines()[2].startswith("| ")


def test_every_sidecar_has_a_phase_of_its_own_within_the_interval():
    firsts = sorted(schedule(number, 100, first=0.0, interval_seconds=10.0, ticks=1)[0] for number in range(100))
    gaps = [after - before for before, after in pairwise(firsts)]
    assert firsts[0] >= 0
    assert firsts[-1] < 10
    assert min(gaps) > 0.03
    assert max(gaps) < 0.3


class Stub:
    def __init__(self, status: int | None) -> None:
        self.status = status

    def call(self, _message: bytes, _patience: object) -> Answer:
        if self.status is None:
            raise TransportError("gone", may_have_arrived=False)
        return Answer(self.status)

    def idle(self, _fileno: int, _seconds: float | None) -> None: ...

    def close(self) -> None: ...


def observed(status: int | None) -> tuple[Observed, list]:
    calls: list = []
    transport = Observed(Stub(status), 7, calls.append)
    transport.waiting.extend([(1.0, 3), (2.0, 3), (3.0, 3)])
    return transport, calls


def test_a_call_delivers_as_many_requests_as_its_message_holds():
    transport, calls = observed(0)
    transport.call(b"x" * 6, None)
    assert calls[0].dues == (1.0, 2.0)
    assert list(transport.waiting) == [(3.0, 3)]


@pytest.mark.parametrize(("status", "said"), [(14, "UNAVAILABLE"), (None, "NO_ANSWER")])
def test_a_call_that_failed_delivers_nothing_and_is_told(status: int | None, said: str):
    transport, calls = observed(status)
    try:
        transport.call(b"x" * 6, None)
    except TransportError:
        assert status is None
    assert (calls[0].status, calls[0].dues, len(transport.waiting)) == (said, (), 3)


FEW = (
    "--sidecars",
    "10",
    "20",
    "30",
    "--replicas",
    "2",
    "--replica-sidecars",
    "5",
    "--killed-sidecars",
    "7",
    "--herd",
    "9",
)


@pytest.fixture(autouse=True)
def limits_as_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load.resource, "setrlimit", lambda *_: None)


def carried_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *wrong: str, verdict: str = "FAIL", lost: int = 0
) -> tuple:
    """Run the load test without its programs: the steps of these names end with the verdict."""
    (tmp_path / "step").mkdir()
    one = step(tmp_path / "step")

    def carry_out(order: Order, folder: Path, *_: object, up: bool = True) -> Row:
        assert up is (order.kind != "herd")
        said = verdict if folder.name in wrong else "PASS"
        gone = lost if folder.name in wrong else 0
        return replace(one, name=folder.name, kind=order.kind, sidecars=order.sidecars, verdict=said, lost=gone)

    monkeypatch.setattr(load, "carry_out", carry_out)
    code = load.main([*FEW, "--out", str(tmp_path / "load")])
    return code, [row["name"] for row in json.loads((tmp_path / "load" / "load.json").read_text())]


def test_the_steps_go_up_until_one_does_not_hold_and_the_others_follow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    others = ["of-2-5", "of-2-one-killed", "herd-9"]
    assert carried_out(monkeypatch, tmp_path, "one-20") == (0, ["one-10", "one-20", *others])


@pytest.mark.parametrize(
    ("wrong", "verdict", "code"),
    [("one-10", "FAIL", 1), ("herd-9", "FAIL", 1), ("of-2-one-killed", "INCONCLUSIVE", 2), ("none", "FAIL", 0)],
)
def test_what_was_lost_decides_and_a_first_step_that_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str, verdict: str, code: int
):
    assert carried_out(monkeypatch, tmp_path, wrong, verdict=verdict)[0] == code


def test_what_was_lost_beyond_the_knee_decides_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert carried_out(monkeypatch, tmp_path, "one-20", lost=1)[0] == 1


@pytest.mark.parametrize("error", [RigError("it did not serve"), PrometheusError("it did not serve")])
def test_a_program_that_does_not_serve_is_named_and_leaves_no_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
):
    def carry_out(*_: object, **__: object) -> Row:
        raise error

    monkeypatch.setattr(load, "carry_out", carry_out)
    assert load.main([*FEW, "--out", str(tmp_path / "load")]) == 4
    assert "it did not serve" in capsys.readouterr().err
    assert not (tmp_path / "load" / "load.json").exists()

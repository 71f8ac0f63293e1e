"""What the page shows, that it needs nothing else, and that nothing of what it shows can mean anything in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness import batch, seal
from harness.checks import Verdict
from harness.record import Event, RunRecord
from harness.reports import REPORTS, Judged
from harness.reports.contract import command_to_repeat
from harness.reports.curves import Chart, charts
from harness.reports.drawing import HEIGHT, WIDTH, Bound, Curve, draw, round_values
from harness.reports.excerpts import excerpt, wall_origin
from harness.verdict import Judgement, judge
from tests.harness.histories import export, good, outage, process, scenario
from tests.harness.test_command_line import lay_down

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} & \x1b[31m \u202e \x00"
CHECKS = [
    {"check": "alive", "promise": "survives-bad-input"},
    {"check": "age-of-information", "promise": "latency"},
    {"check": "rss-p95", "promise": "memory-steady"},
    {"check": "exit-clean", "promise": "shutdown"},
]
RAISED_BY_NO_PAGE = {"script", "img", "iframe", "object", "embed", "form", "base"}


class Page(HTMLParser):
    """Collects what could fetch or run anything, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [f"{tag} {key}={value}" for key, value in attrs if _fetches(key, value or "")]
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [f"{tag} {key}={value}" for key, value in attrs if _fetches(key, value or "")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _fetches(key: str, value: str) -> bool:
    return key.startswith("on") or (key in {"href", "src", "srcset", "data"} and not value.startswith(("#", "data:,")))


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Judged]:
    """Lays down a record, and judges it."""

    def lay_one(record: RunRecord, name: str = "by-hand", log: str = "", **changes: object) -> Judged:
        folder = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        lay_down(record, scenario(name=name, **{"checks": CHECKS, **changes}), folder)
        (folder / "bridge.log").write_text(log)
        seal.write(folder)
        return Judged(batch.judge_folder(folder), folder)

    return lay_one


def died() -> RunRecord:
    return good(events=(process(1.0, "ready"), process(7.5, "exited", exit_code=1)))


def page(*runs: Judged) -> str:
    text = REPORTS["html"](runs)
    parsed = Page(text)
    assert not parsed.open
    assert not parsed.tags & RAISED_BY_NO_PAGE
    assert not parsed.fetched
    assert "url(" not in text
    assert "@import" not in text
    return text


def test_a_page_of_many_runs_is_whole_and_fetches_and_runs_nothing(lay: Callable[..., Judged]):
    text = page(lay(good()), lay(died(), "dies"), Judged(Judgement("cut", "embedded", Verdict.NOT_RUN, "No scissors.")))

    assert text.index("dies") < text.index("by-hand")
    assert "1 FAIL, 1 NOT RUN, 1 PASS" in text
    assert "No scissors." in text


def test_no_verdict_is_told_by_colour_alone(lay: Callable[..., Judged]):
    text = page(lay(died(), "dies"))

    badges = re.findall(r'<span class="verdict [\w-]+">([^<]*)</span>', text)
    assert len(badges) > len(CHECKS)
    assert set(badges) <= {"✓ PASS", "✗ FAIL", "? INCONCLUSIVE", "! HARNESS ERROR", "- NOT RUN"}


def test_nothing_that_a_log_a_reason_or_an_event_holds_means_anything_on_the_page(lay: Callable[..., Judged]):
    record = died()
    events = (*record.events, Event(3.0, "note", {"text": EVIL}), Event(4.0, "odd", {EVIL: EVIL}))
    meta = replace(
        record.meta, bridge_command=(EVIL,), versions={EVIL: EVIL}, machine={"cpu": EVIL}, commit=EVIL, rig=EVIL
    )
    run = lay(replace(record, events=events, meta=meta), log=f"2026-01-01T00:00:03Z ERROR {EVIL}\n")
    said = replace(run.judgement, reason=EVIL, doubts=(EVIL,), scenario=EVIL)

    text = page(replace(run, judgement=said))

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "{{ 7*7 }}" in text
    for char in ("\x1b", "\u202e", "\x00"):
        assert char not in text
    assert "\\u202e" in text


def test_the_faults_are_shaded_and_named_and_the_budgets_dashed(lay: Callable[..., Judged]):
    text = page(lay(outage(), timeline=[{"fault": "collector-refused", "name": "outage", "for": "6s"}]))

    assert re.search(r'<span class="band-fault" style="left:31.58%;width:31.58%" title="outage \(fault\)', text)
    assert re.search(r'<rect class="band-fault" x="315.8" y="0" width="315.8"', text)
    assert '<line class="limit-line"' in text
    assert ">limit 50</span>" in text
    for title in ("Age of information", "Memory (RSS)", "CPU", "Arrivals", "Queue", "Network"):
        assert f"<b>{title}</b>" in text


def test_failing_checks_stand_first_and_have_their_number_in_the_time_line(lay: Callable[..., Judged]):
    text = page(lay(died(), "dies"))

    assert text.index("<b>alive</b>") < text.index("<b>rss-p95</b>")
    assert "mark 1 below" in text
    assert '<b style="left:39.47%">1 2</b>' in text
    assert '<line class="mark-failure"' in text


def test_what_it_takes_to_make_a_run_again_stands_on_the_page(lay: Callable[..., Judged]):
    record = good()
    meta = replace(record.meta, seed=77, commit="abc123+", versions={"python": "3.11"}, machine={"cpus": 2})

    text = page(lay(replace(record, meta=meta)))

    assert "python -m harness run by-hand --rig embedded --seed 77</pre>" in text
    for said in ("abc123+", "3.11", "2026-01-01T00:00:00+00:00"):
        assert said in text
    assert command_to_repeat(replace(meta, bridge_command=("my-bridge", "a b"))).endswith(
        "--bridge 'my-bridge '\"'\"'a b'\"'\"''"
    )


def test_a_run_without_a_record_has_its_reason_and_no_picture(tmp_path: Path):
    run = Judged(Judgement("x", "", Verdict.HARNESS_ERROR, "It is damaged.", "x"), tmp_path / "none")

    text = page(run)

    assert "It is damaged." in text
    assert "There is no record to draw" in text
    assert page()


def test_a_run_that_could_not_be_carried_out_shows_every_process_log(lay: Callable[..., Judged]):
    record = good()
    run = lay(replace(record, meta=replace(record.meta, error="The sink ended.")), log="bridge\n")
    assert run.folder is not None
    (run.folder / "sink.log").write_text("the sink's last words\n")
    seal.write(run.folder)

    assert "the sink&#39;s last words" in page(run)
    assert "the sink&#39;s last words" not in page(lay(good()))


def test_all_of_few_runs_are_unfolded_and_of_many_those_that_did_not_pass(lay: Callable[..., Judged]):
    few = [lay(good(), f"run-{number}") for number in range(3)]

    assert page(*few).count('<details class="run" open>') == 3
    assert page(*few, lay(died(), "dies")).count('<details class="run" open>') == 1


def test_a_figure_that_has_to_be_just_its_limit_is_not_the_one_nearest_to_it(lay: Callable[..., Judged]):
    checks = [{"check": name, "promise": "latency"} for name in ("series-count", "arrival-latency")]
    text = page(lay(good(), checks=checks), lay(good(), "again", checks=checks))

    assert text.count('data-label="nearest to its limit">arrival-latency') == 2


# The pictures


def chart(record: RunRecord, title: str) -> Chart | None:
    found = {one.title: one for one in charts(record, judge(record))}
    return found.get(title)


def test_the_queue_is_what_was_made_and_had_not_arrived_yet():
    queue = chart(outage(), "Queue")

    assert queue is not None
    (curve,) = queue.curves
    assert max(value for _, value in curve.points) == 7
    assert max(curve.points, key=lambda point: point[1])[0] == pytest.approx(12.5)
    assert curve.points[-1][1] == 0
    assert chart(good(), "Queue") is None


def test_calls_that_were_not_taken_and_strange_updates_are_told():
    record = good()
    exports = (
        *record.exports,
        export(5.5, [], answered="UNAVAILABLE"),
        export(6.5, [replace(record.ledger.writes[0], values={"training_loss": 9.0})]),
    )

    arrived = chart(replace(record, exports=exports), "Arrivals")

    assert arrived is not None
    assert "1 calls that the sink did not take" in arrived.says
    assert "1 updates show what the job never wrote" in arrived.says


def test_a_line_is_broken_where_samples_are_missing():
    record = good()
    gone = tuple(sample for sample in record.resources if not 6 < sample.t < 12)

    memory = chart(replace(record, resources=gone), "Memory (RSS)")

    assert memory is not None
    drawing = draw(memory.curves, memory.bounds, 19.0)
    assert [path.d.count("M") for path in drawing.paths] == [2, 2]


def test_a_record_that_saw_nothing_has_no_picture():
    assert (
        charts(good(exports=(), resources=(), wire=(), ledger=replace(good().ledger, writes=())), judge(good())) == []
    )


def test_a_near_budget_is_drawn_and_a_far_one_only_named():
    curve = Curve("age", "line", [(0.0, 1.0), (10.0, 2.0)])

    drawing = draw([curve], [Bound("limit", "limit", 30.0), Bound("target", "target", 3.0)], 10.0)

    limit, target = drawing.lines
    assert limit.percent is None
    assert target.percent == pytest.approx(100 * (1 - 1 / 1.1), abs=0.01)
    assert drawing.paths[0].d == "M0.0 139.4L1000.0 78.8"


def test_curves_stay_in_the_box_and_are_no_longer_than_the_box_is_wide():
    points = [(t / 1000, 50 + 40 * math.sin(t)) for t in range(100_000)]

    (path,) = draw([Curve("much", "line", points)], [], 100.0).paths

    places = [tuple(map(float, place)) for place in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.d)]
    assert len(places) <= 4 * WIDTH + 4
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert max(y for _, y in places) == pytest.approx(HEIGHT - HEIGHT * 10 / (90 * 1.1), abs=0.2)


@pytest.mark.parametrize(
    ("top", "values"),
    [
        (0.0, [0.0]),
        (1.0, [0, 0.25, 0.5, 0.75, 1.0]),
        (25.2, [0, 10, 20]),
        (0.003, [0, 0.001, 0.002, 0.003]),
        (math.nan, [0.0]),
    ],
)
def test_ticks_are_round(top: float, values: list[float]):
    assert round_values(top, 4) == pytest.approx(values)


# The logs


def test_the_lines_around_a_moment_are_shown_with_their_times_and_the_others_counted(tmp_path: Path):
    log = tmp_path / "bridge.log"
    log.write_text("".join(f"1970-01-01T00:00:{second:02d}.500Z INFO line {second}\n" for second in range(60)))

    lines = excerpt(log, 0.0, [30.0])

    assert [line.t for line in lines if not line.skipped][3:6] == [30.5, 31.5, 32.5]
    assert [(line.text[-2:], line.skipped) for line in lines if line.skipped] == [("29", 26), ("52", 19)]


def test_a_traceback_belongs_to_the_line_before_it_and_loud_lines_are_marked(tmp_path: Path):
    log = tmp_path / "bridge.log"
    log.write_text('{"time": "1970-01-01T00:00:05Z", "level": "ERROR"}\nTraceback\n  File "x"\nquiet\n')

    lines = excerpt(log, 0.0, [5.0])

    assert [line.t for line in lines] == [5.0] * 4
    assert [line.loud for line in lines] == [True, True, False, False]


def test_a_log_without_times_shows_its_beginning_and_its_end(tmp_path: Path):
    log = tmp_path / "bridge.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))

    lines = excerpt(log, 0.0, [5.0])

    assert (lines[0].text, lines[-1].text, len(lines)) == ("line 0", "line 999", 33)


def test_a_huge_or_broken_log_is_bounded(tmp_path: Path):
    log = tmp_path / "bridge.log"
    log.write_bytes(b"\xff\xfe" * 5_000_000 + b"\n" + b"1970-01-01T00:00:05Z x\n" * 100_000)

    lines = excerpt(log, 0.0, [5.0])

    assert len(lines) <= 120
    assert max(len(line.text) for line in lines) <= 600
    assert excerpt(tmp_path / "none", 0.0, []) == ()


def test_the_origin_is_told_by_the_quickest_update_unless_its_stamps_are_elsewhere():
    record = good()
    started = wall_origin(replace(record, exports=()))
    assert started is not None
    stamped = export(5.0, record.ledger.writes[:1], ticks=[int((started + 5.6) * 1e9)])

    assert wall_origin(replace(record, exports=(stamped,))) == pytest.approx(started + 0.6)
    assert wall_origin(record) == started
    assert wall_origin(replace(record, meta=replace(record.meta, started_at="long ago"))) is None


def test_the_verdict_file_and_the_page_are_of_one_mind(lay: Callable[..., Judged]):
    run = lay(died(), "dies")
    assert run.folder is not None

    saved = json.loads((run.folder / "verdict.json").read_text())

    assert saved["reason"].replace("'", "&#39;") in page(run)

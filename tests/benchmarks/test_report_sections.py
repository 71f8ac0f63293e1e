"""What the report's sections say, and of what they make no figure because nobody measured it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from benchmarks.compare import UNCHANGED, finding, told_of
from benchmarks.contest import AGAIN
from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS
from benchmarks.growth.fit import Growth, Point
from benchmarks.load.step import Row
from benchmarks.report import proofs, sections
from benchmarks.report.figures import compare, gates
from benchmarks.scoreboard import Board, Cell
from harness.checks import CheckResult, Verdict
from harness.mutants import MUTANTS
from harness.verdict import Judgement


def judged(verdict: Verdict, run: str = "steady-1", *, measured: float = 0.3) -> Judgement:
    result = CheckResult(
        "cpu-percent", "cpu-steady", verdict, measured, "% of one core", 5, 0.4, 5 - measured, 1, "So."
    )
    return Judgement("steady", "embedded", verdict, "So.", run, (result,))


def names(part: sections.Part) -> set[str]:
    return {figure.name for figure in part.figures}


def test_the_record_that_is_named_is_the_one_that_has_the_worst_figure():
    runs = [judged(Verdict.PASS, "steady-1"), judged(Verdict.PASS, "steady-2", measured=0.9)]
    (row,) = sections.of_promises({"embedded": runs}).section.tables[0].rows
    assert (row[4], row[-1]) == ("0.900 % of one core", "steady-2")


@pytest.mark.parametrize("verdict", [Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_no_promise_is_counted_as_unbroken_where_nothing_was_decided(verdict: Verdict):
    undecided = Judgement("steady", "embedded", verdict, "So.")
    assert not names(sections.of_promises({"embedded": [undecided]}))
    assert names(sections.of_promises({"embedded": [undecided, judged(Verdict.PASS)]})) == {"promises broken"}


def test_a_scenario_that_failed_breaks_a_promise_also_without_a_check_that_says_so_and_is_named():
    never_ready = Judgement("idle", "local", Verdict.FAIL, "The bridge was never ready.", "idle-1")
    error = Judgement("steady", "local", Verdict.HARNESS_ERROR, "So.", checks=judged(Verdict.FAIL).checks)
    part = sections.of_promises({"local": [never_ready, judged(Verdict.FAIL), judged(Verdict.PASS), error]})
    assert [figure.value for figure in part.figures] == [2.0]
    assert part.section.tables[0].rows[0] == ("FAIL", "idle", "local", "idle-1", "The bridge was never ready.")
    assert len(part.section.tables[0].rows) == 2


def growth(*curves: Growth, slope: float = 0.1, noise: float = 50.0) -> sections.Part:
    about = {"slope_kib_per_1000_ticks": slope, "noise_kib": noise, "ticks": 100_000, "put": 9, "delivered": 9}
    about["blocks_per_1000_ticks"] = 0.0
    return sections.of_growth({"curves": [asdict(curve) for curve in curves], "rss_over_ticks": about})


def curve(name: str, *ys: float) -> Growth:
    return Growth(name, "fields", "us", tuple(Point(10.0**power, (y,)) for power, y in enumerate(ys)), 1.15)


def test_curves_that_nobody_could_fit_are_none_that_hold():
    fits, fails, unfitted = curve("a", 1, 2, 3), curve("b", 1, 100, 10_000), curve("c")
    assert "curves that grow too fast" in names(growth(fits))
    assert "curves that grow too fast" in names(growth(fits, fails, unfitted))
    part = growth(fits, unfitted)
    assert "curves that grow too fast" not in names(part)
    assert "Not fitted: c." in part.section.paragraphs
    assert "curves that grow too fast" not in names(growth())


def test_a_slope_is_worse_than_the_last_only_beyond_what_its_noise_can_turn():
    def said(slope: float) -> str:
        last, now = ({figure.name: figure for figure in growth(slope=one).figures} for one in (0.1, slope))
        figures = [now["RSS slope over ticks"]]
        return compare(figures, last, [gate for gate in gates() if gate.name == "RSS slope over ticks"])[0].said

    assert said(0.5) == "same"
    assert said(0.9) == "WORSE"


def row(name: str, kind: str = "step", *, sidecars: int = 1000, verdict: str = "PASS", lost: int = 0) -> Row:
    nothing = dict.fromkeys(Row.__dataclass_fields__, None)
    told = {"kind": kind, "sidecars": sidecars, "verdict": verdict, "lost": lost, "collectors": 1, "reason": "So."}
    return Row(**{**nothing, "name": name, "offered_share": 1.0, **told})


def load(*rows: Row) -> sections.Part:
    return sections.of_load([asdict(one) for one in rows])


STEP, KILLED, HERD = row("one-3000", sidecars=3000), row("killed", "killed"), row("herd", "herd")


@pytest.mark.parametrize(
    "rows",
    [(STEP,), (STEP, KILLED), (STEP, HERD), (STEP, KILLED, row("herd", "herd", verdict="INCONCLUSIVE", lost=9))],
)
def test_nothing_was_lost_is_said_only_where_one_was_killed_and_a_herd_came(rows: tuple[Row, ...]):
    assert "requests lost under load" not in names(load(*rows))


def test_what_was_lost_counts_with_the_steps_that_lost_it():
    none, some = load(STEP, KILLED, HERD), load(STEP, row("killed", "killed", verdict="FAIL", lost=3))
    figures = [one for part in (none, some) for one in part.figures if one.name == "requests lost under load"]
    assert [(one.value, one.source) for one in figures] == [(0, "load/killed, load/herd"), (3, "load/killed")]


@pytest.mark.parametrize(
    ("steps", "word", "most"),
    [
        ((STEP,), "kept", 3000),
        ((row("a"), row("b", sidecars=2000, verdict="FAIL")), "missed", 1000),
        ((row("a"), row("b", sidecars=2000, verdict="INCONCLUSIVE")), "not decided", None),
        ((row("a"),), "not decided", None),
        ((STEP, row("b", sidecars=4000, verdict="FAIL")), "kept", 3000),
    ],
)
def test_the_target_of_the_load_is_missed_only_where_a_step_failed(steps: tuple[Row, ...], word: str, most: int | None):
    part = load(*steps)
    assert any(line.endswith(f"one Collector: {word}.") for line in part.section.paragraphs)
    assert [one.value for one in part.figures if one.name == "sidecars on one Collector"] == ([most] if most else [])


def test_mutants_without_a_run_are_named_and_so_is_the_bridge_that_did_not_pass():
    check = CheckResult(MUTANTS[0].check, "alive", Verdict.FAIL, 1, "exits", 0, 0, -1, 1, "So.")
    caught = Judgement(MUTANTS[0].scenario, "embedded", Verdict.FAIL, "So.", checks=(check,))
    missed = Judgement(MUTANTS[1].scenario, "embedded", Verdict.PASS, "So.")
    real = Judgement("idle", "embedded", Verdict.FAIL, "So.")
    told = proofs.of_mutants({MUTANTS[0].name: caught, MUTANTS[1].name: missed, "real.idle": real})
    assert told[0].startswith(f"1 of {len(MUTANTS)} mutants caught")
    assert told[1] == f"Not caught: {MUTANTS[1].name}."
    assert told[2].startswith(f"Not run: {MUTANTS[2].name}, ")
    assert told[3:] == ["The bridge itself passed 0 of 1 of their scenarios.", "It did not pass idle (FAIL)."]


def trial(number: int, bridge: str, figure: str, b: float, *, busy: bool = False) -> dict[str, object]:
    a, again = ([0.1, 9.0], [9.0, 0.1]) if busy else ([1.0, 1.0], [1.0, 1.0])
    return {"trial": number, **told_of(bridge, finding(figure, a, again, [b, b]))}


def test_a_comparison_that_could_not_tell_is_no_proof_of_either():
    told = proofs.of_comparison(
        [
            trial(1, UNCHANGED, "rss_mib", 1.0),
            trial(2, UNCHANGED, "rss_mib", 1.0, busy=True),
            trial(1, "weighs_more", "rss_mib", 2.0),
            trial(2, "weighs_more", "cpu_percent", 2.0),  # worse in what the mutant does not spoil
        ]
    )
    assert told[0].endswith("unchanged was marked worse in 0 of 2 comparisons; 1 could not be told.")
    assert told[1].endswith("weighs_more was marked worse in 1 of 2 comparisons; 1 could not be told.")


def test_a_comparison_of_two_bridges_is_no_proof():
    assert not proofs.of_comparison([told_of("-m bridge", finding("rss_mib", [1.0], [1.0], [2.0]))])


def board(**measured: dict[str, tuple[float, ...]]) -> Board:
    nothing = {column.key: Cell((), ()) for column in COLUMNS}
    names = {"ours": OURS, "again": AGAIN, "bare": "bare-loop"}
    cells = {
        names.get(name, name): nothing | {key: Cell(values, (f"{name}/run",)) for key, values in told.items()}
        for name, told in measured.items()
    }
    return Board({}, cells, {"telegraf": "It is not built."}, {"sdk/cost-1": "No fault."})


def test_the_scoreboard_says_ours_over_the_bare_loop_with_the_noise_as_a_share_of_it():
    part = sections.of_scoreboard(
        board(ours={"rss": (26.0, 27.0, 28.0)}, again={"rss": (29.0,)}, bare={"rss": (20.0, 20.0, 25.0)})
    )
    ratio = next(one for one in part.figures if one.name == "RSS over the bare loop's")
    assert (ratio.value, ratio.noise) == (27 / 20, 3 / 20)
    assert part.section.tables[-1].rows == (("missed", "RSS over the bare loop's at most 1.15", "1.350"),)
    words = " ".join(part.section.paragraphs)
    for said in (
        "Medians of 3 rounds",
        "Not run: Telegraf, custom build. It is not",
        "Left out: sdk/cost-1. No fault.",
    ):
        assert said in words


def test_a_target_beside_another_is_kept_within_the_noise_and_missed_beyond_it():
    def kept(theirs: float, key: str = "latency-p50") -> str:
        found = board(ours={key: (1.0,)}, again={key: (1.1,)}, sdk={key: (theirs,)})
        return sections.targets(found, ())[0][0]

    assert [kept(2.0), kept(0.95), kept(0.5)] == ["kept", "kept", "missed"]
    assert [kept(0.5, "fields"), kept(2.0, "fields")] == ["kept", "missed"]


def test_of_telegraf_memory_and_cpu_alone_are_targets():
    rival = board(ours={"rss": (1.0,), "tick-bytes": (1.0,)}, telegraf={"rss": (2.0,), "tick-bytes": (2.0,)})
    assert [row[1] for row in sections.targets(rival, ())] == [
        "RSS no worse than Telegraf, custom build's beyond noise"
    ]


def test_of_the_micro_benchmarks_the_least_is_kept_in_microseconds():
    stats = {"min": 2e-6, "median": 3e-6, "iqr": 5e-7, "rounds": 50}
    part = sections.of_micro({"benchmarks": [{"name": "test_read", "stats": stats}]})
    (figure,) = part.figures
    assert (figure.name, figure.unit, figure.value, figure.noise) == ("micro read", "us", 2.0, 0.5)
    assert part.section.tables[0].rows == (("read", "2.00 us", "3.00 us", "0.50 us", "50"),)

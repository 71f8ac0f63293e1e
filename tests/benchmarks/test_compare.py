from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import compare, footprint
from benchmarks.compare import EXPECTED, UNCHANGED, agreeing_min, finding, main, measured, proven
from benchmarks.footprint import BARE, BRIDGE, Footprint, footprint_lines
from harness import provenance
from harness.mutants import WORSE


def said(a: list[float], again: list[float], b: list[float], figure: str = "cpu_percent") -> str:
    return finding(figure, a, again, b).said


def test_what_lies_beyond_twice_the_noise_is_worse():
    assert said([0.20, 0.21, 0.20], [0.21, 0.20, 0.21], [0.70, 0.72, 0.69]) == "worse"


def test_what_lies_within_the_noise_is_the_same():
    assert said([0.20, 0.22, 0.20] * 2, [0.22, 0.20, 0.21] * 2, [0.24, 0.25, 0.24] * 2) == "same"


def test_a_quiet_machine_makes_no_news_of_a_trifle():
    assert said([25.00, 25.00], [25.01, 25.00], [25.20, 25.20], "rss_mib") == "same"


def test_one_bad_round_of_b_alone_does_not_make_it_worse():
    assert said([0.20, 0.20, 0.20], [0.20, 0.20, 0.20], [0.20, 2.00, 0.20]) == "same"


def test_one_round_of_six_may_be_spoilt_and_of_three_none():
    calm, worse = [0.2] * 6, [0.7, 0.7, 0.1, 0.7, 0.7, 0.7]
    assert said(calm, calm, worse) == "worse"
    assert said(calm[:3], calm[:3], worse[:3]) == "unknown"


@pytest.mark.parametrize(("rounds", "least"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 5), (12, 8), (18, 11)])
def test_as_many_rounds_agree_as_chance_would_seldom_do(rounds: int, least: int):
    assert agreeing_min(rounds) == least


def test_more_rounds_see_through_more_noise():
    a, again, b = [0.8, 1.2, 1.0], [1.0, 0.8, 1.2], [1.5, 1.45, 1.55]
    assert said(a, again, b) == "unknown"  # 0.2 of noise makes a margin of 0.57 of three rounds
    assert said(a * 4, again * 4, b * 4) == "worse"
    assert said(a * 4, again * 4, [1.1, 0.9, 1.0] * 4) == "same"


def test_what_is_open_after_one_block_of_rounds_has_a_second_and_a_third():
    bench = Bench(weights={"heavy": 20.0})
    measured(bench, {"one": ("-m", "heavy")}, rounds=2, seconds=1.0, trees={})
    assert len(bench.orders) == 2
    restless = Bench(noise=6.0)
    measured(restless, {"one": ("-m", "other")}, rounds=2, seconds=1.0, trees={})
    assert len(restless.orders) == 2 * compare.ROUNDS_TIMES_MAX


def test_one_round_in_which_a_differs_from_itself_hides_nothing():
    assert said([0.2] * 5 + [0.9], [0.2] * 6, [0.7] * 6) == "worse"


def test_what_takes_less_is_better():
    assert said([30.0, 30.0], [30.1, 30.0], [25.0, 25.0], "rss_mib") == "better"


def test_where_a_differs_from_itself_by_more_than_it_is_nobody_can_tell():
    assert said([0.1, 1.5], [1.5, 0.1], [0.8, 0.8]) == "unknown"


@pytest.mark.parametrize("name", WORSE)
def test_a_mutant_is_proven_only_by_the_figure_that_it_spoils(name: str):
    others = [figure for figure in EXPECTED.values() if figure != EXPECTED[name]]
    spoilt = [finding(EXPECTED[name], [1.0, 1.0], [1.0, 1.0], [2.0, 2.0])]
    assert proven(name, spoilt)
    assert not proven(name, [finding(others[0], [1.0, 1.0], [1.0, 1.0], [2.0, 2.0])])
    assert not proven(UNCHANGED, spoilt)
    assert proven(UNCHANGED, [finding(EXPECTED[name], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0])])


def test_where_nobody_can_tell_nothing_is_proven_and_nothing_wrong():
    unknown = [finding("cpu_percent", [0.1, 1.5], [1.5, 0.1], [0.8, 0.8])]
    assert unknown[0].said == "unknown"
    assert proven(UNCHANGED, unknown) is None
    assert proven("ticks_slowly", unknown) is None
    assert proven(UNCHANGED, []) is None


def test_a_bridge_that_is_gone_takes_nothing_and_is_not_better(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(footprint, "WARM_UP_SECONDS", 0.5)
    out = tmp_path / "compare.json"
    out.write_text("[]")  # of an older comparison
    assert main(["--rounds", "1", "--seconds", "0.5", "--b", "-m no_such_bridge", "--out", str(out)]) == 2
    assert "-m no_such_bridge` ended with code 1" in capfd.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [("--prove", "0"), ("--prove", "-1"), ("--rounds", "0"), ("--seconds", "0"), ("--seconds", "nan"), ("--b", "'"),
     ("--b-tree", "nowhere")],
)  # fmt: skip
def test_an_argument_with_which_nothing_can_be_measured_is_named(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_an_interpreter_that_is_nowhere_is_named_and_no_sink_is_left(capsys: pytest.CaptureFixture[str]):
    assert main(["--python", "/no/such/python"]) == 2
    assert "/no/such/python" in capsys.readouterr().err


class Bench:
    """As the real one; what runs weighs what its command says, and whoever begins a round ``noise`` more."""

    python = "python"

    def __init__(self, *_: object, weights: dict[str, float] | None = None, noise: float = 0.0) -> None:
        self.weights = weights or {}
        self.noise = noise
        self.orders: list[list[str]] = []
        self.trees: list[list[Path]] = []

    def side_by_side(
        self, commands: Sequence[Sequence[str]], _: float, *, trees: Sequence[Path] = ()
    ) -> list[Footprint]:
        self.orders.append([command[-1] for command in commands])
        self.trees.append(list(trees))
        weights = [self.weights.get(name, 10.0) for name in self.orders[-1]]
        weights[0] += self.noise
        return [Footprint(weight, weight) for weight in weights]

    def close(self) -> None: ...


def test_whoever_begins_a_round_each_has_its_own_figures(tmp_path: Path):
    bench = Bench(weights={"heavy": 20.0, "light": 5.0})
    others = {"one": ("-m", "heavy"), "two": ("-m", "light")}
    found = measured(bench, others, rounds=4, seconds=1.0, trees={"two": tmp_path})
    assert {name: {one.said for one in findings} for name, findings in found.items()} == {
        "one": {"worse"},
        "two": {"better"},
    }
    assert len({order[0] for order in bench.orders}) == 3  # A stands there twice
    assert all(trees[order.index("light")] == tmp_path for order, trees in zip(bench.orders, bench.trees, strict=True))


def test_the_footprint_is_the_bridges_over_the_bare_loops():
    bench = Bench(weights={BARE[-1]: 10.0, BRIDGE[-1]: 12.0})
    lines = {line.name: line.measured for line in footprint_lines(bench, 3, 1.0)}
    assert (lines["bare loop rss_mib"], lines["bridge rss_mib"], lines["rss_mib ratio"]) == (10.0, 12.0, 1.2)


SLOWER, HEAVIER = "harness.mutants.ticks_slowly", "harness.mutants.weighs_more"


@pytest.mark.parametrize(
    "case",
    [
        ({SLOWER: 20.0, HEAVIER: 20.0}, 0, "ticks_slowly: marked worse 2 of 2"),
        ({SLOWER: 20.0}, 1, "weighs_more: marked worse 0 of 2"),
        ({SLOWER: 20.0, HEAVIER: 20.0}, 2, "unchanged: not marked 0 of 2, not to be told 2"),
    ],
)
def test_all_is_proven_or_something_is_not_or_nobody_can_tell(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[dict[str, float], int, str],
):
    weights, code, said = case
    monkeypatch.setattr(compare, "Bench", lambda *_: Bench(weights=weights))
    if code == 2:  # A lies apart from A
        monkeypatch.setattr(compare, "MARGIN_SHARE_MAX", {"rss_mib": -1.0, "cpu_percent": -1.0})
    out = tmp_path / "inner" / "compare.json"
    assert main(["--prove", "2", "--out", str(out)]) == code
    assert said in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert {(one["trial"], one["bridge"]) for one in told} == {
        (trial, name) for trial in (1, 2) for name in (*EXPECTED, UNCHANGED)
    }
    assert {one["commit"] for one in told} == {provenance.commit()}

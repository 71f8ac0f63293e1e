"""The parts of the release report, each from what one benchmark left; and the figures in it that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import scoreboard
from benchmarks.contestants import OURS
from benchmarks.cost import COLUMNS
from benchmarks.growth.fit import Growth, Point
from benchmarks.growth.fit import table as growth_table
from benchmarks.load.step import Row, knee
from benchmarks.load.step import table as load_table
from benchmarks.report.blocks import blocks
from benchmarks.report.figures import Compared, Figure, Gate
from benchmarks.report.page import Section, Table
from benchmarks.report.plot import draw
from harness.checks import Verdict
from harness.record import RunRecord
from harness.reports import promises
from harness.reports.figures import count_words, figure, quantity
from harness.verdict import Judgement

BARE, TELEGRAF, SDK = "bare-loop", "telegraf", "sdk"
RATIOS = {"rss": ("RSS over the bare loop's", 1.15), "cpu": ("CPU over the bare loop's", 1.5)}
LOAD_TARGET = 3000


@dataclass(frozen=True, slots=True)
class Part:
    """A section, and the figures of it that are kept from release to release."""

    section: Section
    figures: tuple[Figure, ...] = ()


def of_markdown(text: str, source: str) -> Table:
    """Read a Markdown table back, so that it is made in one place only."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return Table(cells[0], tuple(cells[2:]), source)


def worst_first(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Put what passed or was kept, which the first cell says, behind all that did not, and broken before unknown."""
    return tuple(
        sorted(rows, key=lambda row: 0 if row[0] in {"FAIL", "missed"} else 2 if row[0] in {"PASS", "kept"} else 1)
    )


UNDECIDED = "UNDECIDED is what lies nearer to its limit than its own noise: measure again on a quieter machine."


def gating(compared: Sequence[Compared], unmeasured: Sequence[Gate], last: str, doubts: Sequence[str] = ()) -> Section:
    """The short list that decides, and what speaks against believing it."""
    rows = [
        (
            one.verdict,
            one.figure.name,
            f"{figure(one.figure.value)} {one.figure.unit}",
            figure(one.last),
            figure(one.gate.limit),
            figure(one.figure.noise),
            one.said,
            one.figure.source,
        )
        for one in compared
        if one.gate is not None
    ]
    rows += [("NOT MEASURED", gate.name, "-", "-", figure(gate.limit), "-", "-", "") for gate in unmeasured]
    head = ("", "figure", "this release", "last release", "limit", "noise", "beside the last", "from")
    against = f"Compared with {last}." if last else "There is no earlier release's report to compare with."
    says = [UNDECIDED] if any(one.verdict == "UNDECIDED" for one in compared) else []
    return Section("Gating figures", (*doubts, against, *says), (Table(head, worst_first(rows)),))


def others(compared: Sequence[Compared]) -> Section:
    """Every other figure that is kept; one that got worse is marked, and decides nothing."""
    rows = tuple(
        (
            one.said,
            one.figure.name,
            f"{figure(one.figure.value)} {one.figure.unit}",
            figure(one.last),
            one.figure.source,
        )
        for one in sorted(compared, key=lambda one: ("WORSE", "better", "same", "new").index(one.said))
        if one.gate is None
    )
    says = "A figure beyond its noise is marked; where nobody knows the noise, beyond a tenth. None of these decides."
    return Section("All other figures", (says,), (Table(("", "figure", "now", "last", "from"), rows),))


def of_promises(by_rig: Mapping[str, Sequence[Judgement]]) -> Part:
    """Each promise on each rig that ran, with its worst figure and its margin."""
    rows: list[tuple[str, ...]] = []
    failed: list[tuple[str, Judgement]] = []
    for rig, judgements in by_rig.items():
        for row in promises.rows(judgements):
            if row.worst is None:
                continue
            worst = row.worst
            margin = quantity(worst.margin, worst.unit)
            measured = (quantity(worst.measured, worst.unit), figure(worst.limit), margin)
            rows.append(
                (str(worst.verdict), row.promise, row.check, rig, *measured, promises_target(worst.target_met), row.run)
            )
        failed += [(rig, one) for one in judgements if one.verdict is Verdict.FAIL]
    head = ("verdict", "promise", "check", "rig", "worst", "limit", "margin", "our own target", "record")
    told = [f"{rig}: {count_words([one.verdict for one in judgements])}" for rig, judgements in by_rig.items()]
    decided = any(one.verdict in {Verdict.PASS, Verdict.FAIL} for judgements in by_rig.values() for one in judgements)
    broken = float(sum(promises_broken(one) for _, one in failed))
    figures = (Figure("promises broken", "scenarios", broken, source="; ".join(told)),) if decided else ()
    tables = [Table(head, worst_first(rows))]
    if failed:
        each = tuple((str(one.verdict), one.scenario, rig, one.run, one.reason) for rig, one in failed)
        tables.insert(0, Table(("", "scenario", "rig", "record", "why"), each))
    said = "; ".join(told) + "." if told else "No record was given."
    return Part(Section("Promises", (said,), tuple(tables)), figures)


def promises_broken(judgement: Judgement) -> int:
    """How many promises a scenario broke: one at least where it failed, as by a bridge that was never ready."""
    return max(1, len({result.promise for result in judgement.checks if promises.broken(result)}))


def promises_target(met: bool | None) -> str:
    """Say whether our own aim was kept."""
    return "-" if met is None else "kept" if met else "missed"


def of_scoreboard(board: scoreboard.Board) -> Part:
    """Contestants side by side, where another is ahead, and our own targets."""
    judged = {name: found for name, found in board.judgements.items() if found and name in scoreboard.BRIDGES}
    tables = [of_markdown(scoreboard.promises_table(judged), "contest/NAME")] if judged else []
    runs = ", ".join(sorted({run for cell in board.cells[OURS].values() for run in cell.runs}))
    tables.append(of_markdown(scoreboard.figures_table(board), f"contest: {runs}, and the same of the others"))
    figures = [
        Figure(column.title, column.unit, median, board.noise(column), column.better, ", ".join(cell.runs))
        for column in COLUMNS
        if (median := (cell := board.cells[OURS][column.key]).median) is not None
    ]
    figures += ratios(board)
    tables.append(Table(("", "target", "is"), worst_first(targets(board, figures))))
    leads = scoreboard.ahead(board) or ["No other bridge is ahead beyond the noise."]
    words = (scoreboard.rounds_words(board), *leads, *scoreboard.lacking(board))
    return Part(Section("Scoreboard", words, tuple(tables)), tuple(figures))


def ratios(board: scoreboard.Board) -> list[Figure]:
    """What is ours over what the libraries alone cost, in the same run: it depends little on the machine."""
    found = []
    for key, (name, _) in RATIOS.items():
        column = next(one for one in COLUMNS if one.key == key)
        ours, bare = (board.cells[who][key] if who in board.cells else None for who in (OURS, BARE))
        if ours and bare and ours.median is not None and bare.median:
            noise = board.noise(column)
            spread = None if noise is None else noise / bare.median
            found.append(
                Figure(name, "", ours.median / bare.median, spread, source=", ".join((*ours.runs, *bare.runs)))
            )
    return found


def targets(board: scoreboard.Board, figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Our own targets beside the others, kept or missed."""
    by_name = {one.name: one.value for one in figures}
    rows: list[tuple[str, ...]] = [
        (promises_target(by_name[name] <= most), f"{name} at most {most:g}", f"{by_name[name]:.3f}")
        for name, most in RATIOS.values()
        if name in by_name
    ]
    for rival in (TELEGRAF, SDK):
        for column in COLUMNS if rival in board.cells else ():
            ours, theirs = (board.cells[who][column.key].median for who in (OURS, rival))
            if ours is None or theirs is None or (rival == TELEGRAF and column.key not in RATIOS):
                continue
            behind = (ours - theirs) * (1 if column.better == "lower" else -1)
            aim = f"{column.title} no worse than {scoreboard.TITLES[rival]}'s beyond noise"
            rows.append(
                (
                    promises_target(behind <= (board.noise(column) or 0.0)),
                    aim,
                    f"{figure(ours)} against {figure(theirs)}",
                )
            )
    return rows


def of_growth(told: Mapping[str, Any]) -> Part:
    """What grows with what."""
    curves = [read_curve(one) for one in told["curves"]]
    slope = told["rss_over_ticks"]
    says = (
        f"Over {slope['ticks']} ticks at full speed, once warm, RSS changes by "
        f"{slope['slope_kib_per_1000_ticks']:.3f} KiB in a thousand ticks (figures lie {slope['noise_kib']:.1f} KiB "
        f"from the line), and what Python keeps by {slope['blocks_per_1000_ticks']:.2f} blocks; "
        f"{slope['delivered']} of {slope['put']} requests were delivered."
    )
    pictures = tuple((caption(curve), picture(curve)) for curve in curves)
    failed = sum(curve.verdict == "FAIL" for curve in curves)
    unfitted = [curve.name for curve in curves if curve.verdict == "INCONCLUSIVE"]
    source = "growth/growth.json"
    # Over all ticks, figures that lie so far from the line can turn it by so much.
    noise = 1000 * slope["noise_kib"] / slope["ticks"]
    figures = [
        Figure("RSS slope over ticks", "KiB per 1000 ticks", slope["slope_kib_per_1000_ticks"], noise, source=source)
    ]
    if failed or (curves and not unfitted):  # none fails among curves that nobody could fit: that is no figure
        figures.append(Figure("curves that grow too fast", "curves", float(failed), source=source))
    figures += [
        Figure(f"exponent of {curve.name}", "", curve.exponent, 0.1, source=curve.source)
        for curve in curves
        if curve.exponent is not None
    ]
    words = (says, *([f"Not fitted: {', '.join(unfitted)}."] if unfitted else []))
    return Part(Section("Growth", words, (of_markdown(growth_table(curves), source),), pictures), tuple(figures))


def caption(curve: Growth) -> str:
    """What is to be seen, for those who cannot see it."""
    found = "-" if curve.exponent is None else f"{curve.exponent:.2f}"
    return f"{curve.name}: exponent {found}, at most {curve.exponent_max:g}"


def picture(curve: Growth) -> str:
    """The curve on logarithmic axes."""
    points = [(point.x, point.y) for point in curve.points]
    return draw(points, x=curve.x, y=curve.y, title=caption(curve))


def read_curve(told: Mapping[str, Any]) -> Growth:
    """Read a curve back from JSON."""
    points = tuple(Point(point["x"], tuple(point["values"])) for point in told["points"])
    about = {key: told[key] for key in ("name", "x", "y", "exponent_max", "base", "source")}
    return Growth(points=points, **about)


def of_micro(told: Mapping[str, Any]) -> Part:
    """Room by room."""
    figures, rows = [], []
    for one in told["benchmarks"]:
        stats, name = one["stats"], one["name"].removeprefix("test_")
        figures.append(Figure(f"micro {name}", "us", 1e6 * stats["min"], 1e6 * stats["iqr"], source="micro.json"))
        cells = [f"{1e6 * stats[key]:.2f} us" for key in ("min", "median", "iqr")]
        rows.append((name, *cells, str(stats["rounds"])))
    table = Table(("room", "least", "median", "middle half within", "rounds"), tuple(rows), "micro.json")
    says = "The least is what is compared: whatever else a machine does can only add."
    return Part(Section("Micro benchmarks", (says,), (table,)), tuple(figures))


def of_load(told: Sequence[Mapping[str, Any]]) -> Part:
    """How many sidecars a Collector carries."""
    rows = [Row(**one) for one in told]
    steps = [row for row in rows if row.kind == "step" and row.collectors == 1]
    most = max((row.sidecars for row in steps if row.verdict == "PASS"), default=0)
    beyond = [row.sidecars for row in steps if row.verdict == "FAIL"]
    missed = any(sidecars <= LOAD_TARGET for sidecars in beyond)
    met = "kept" if most >= LOAD_TARGET else "missed" if missed else "not decided"
    answer = f"The target is {LOAD_TARGET} sidecars at 10 s on one Collector: {met}."
    reasons = [f"{row.name}: {row.reason}" for row in rows if row.verdict != "PASS"]
    figures = list(lost_under_load(rows))
    if beyond or most >= LOAD_TARGET:  # else it is only the most that was tried, or that could be told
        figures.append(
            Figure("sidecars on one Collector", "sidecars", float(most), better="higher", source="load/one-*")
        )
    section = Section(
        "Load", (knee(rows), answer, *reasons), (of_markdown(load_table(rows), "load/NAME of each step"),)
    )
    return Part(section, tuple(figures))


def lost_under_load(rows: Sequence[Row]) -> Iterator[Figure]:
    """What was lost where a Collector was killed, and where a herd came; none where one of these was not decided."""
    decided = [row for row in rows if row.kind != "step" and row.verdict != "INCONCLUSIVE"]
    lost = sum(row.lost for row in decided)
    if lost or {"killed", "herd"} <= {row.kind for row in decided}:
        source = ", ".join(f"load/{row.name}" for row in decided)
        yield Figure("requests lost under load", "requests", float(lost), source=source)


def of_soak(records: Iterable[RunRecord], judgements: Sequence[Judgement]) -> Section:
    """Long runs by equal blocks."""
    rows = [
        (found.verdict, record.meta.run, found.name, found.unit, " ".join(f"{value:.4g}" for value in found.medians))
        for record in records
        for found in blocks(record)
    ]
    told = tuple(f"{one.run}: {one.verdict}. {one.reason}" for one in judgements)
    head = ("", "record", "figure", "unit", "median of each block")
    return Section("Soak", told or ("No soak was run.",), (Table(head, worst_first(rows)),) if rows else ())


def not_run(by_rig: Mapping[str, Sequence[Judgement]], absent: Sequence[str]) -> Section:
    """What the report cannot say, and why."""
    skipped = [
        (rig, one.scenario, one.reason)
        for rig, judgements in by_rig.items()
        for one in judgements
        if one.verdict in {Verdict.NOT_RUN, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR}
    ]
    tables = (Table(("rig", "scenario", "reason"), tuple(skipped)),) if skipped else ()
    return Section("What did not run, or decided nothing", tuple(absent), tables)

"""The verbs of the harness and their exit codes, on which CI and other people's scripts stand.

====  ==========================================================
code  meaning
====  ==========================================================
0     all passed
1     any FAIL
4     else any HARNESS ERROR
2     else any INCONCLUSIVE, or nothing was run
3     a bad scenario or bad arguments
130   interrupted
====  ==========================================================
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import math
import os
import random
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never, get_args

import click
from rich.console import Console
from rich.text import Text

from harness import batch, doctor, soak_run, verdict
from harness.batch import Plan
from harness.catalogue import Entry, SelectionError, entries, files, scenario_folder, select
from harness.comparison import compare_folders
from harness.loading import ScenarioFileError
from harness.reports import REPORTS, check_page, comparison, index
from harness.reports.console import WIDTH, draw
from harness.reports.progress import Progress
from harness.rigs import RIGS
from harness.saved import SUMMARIES, judged_again, write_report, write_summaries
from harness.scenario import Profile, RigName
from harness.schema import render as render_schema
from harness.starter import Starter
from harness.verdict import Judgement

BAD_ARGUMENTS = 3
HARNESS_ERROR = 4
INTERRUPTED = 130
_SEED_MAX = 2**31


class _Verbs(click.Group):
    """Click's group, with the exit codes of this command: click's own 2 for bad usage means INCONCLUSIVE here."""

    def main(self, *args: Any, **extra: Any) -> Never:  # noqa: ANN401 - click's own signature
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except click.ClickException as error:
            error.show()
            code = BAD_ARGUMENTS
        except (SelectionError, ScenarioFileError) as error:
            click.echo(str(error), err=True)
            code = BAD_ARGUMENTS
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        except SystemExit:  # click's and rich's answer to a closed pipe is 1, which means FAIL here
            click.echo("the output cannot be written: nobody reads it", err=True)
            code = HARNESS_ERROR
        sys.exit(code if isinstance(code, int) else 0)


def _numbered(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """Refuse NaN, which no bound of click's holds back."""
    if math.isnan(value):
        raise click.BadParameter("nan is no number")
    return value


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Run a metrics bridge beside a job, break things around it, and give each promise a verdict.

    Exit codes: 0 all passed; 1 any FAIL; 4 else any HARNESS ERROR; 2 else any INCONCLUSIVE, or nothing run;
    3 bad scenario or arguments; 130 interrupted.
    """


@cli.command("list")
@click.option("--markdown", is_flag=True, help="As the page scenarios/README.md.")
@click.option("--checks", is_flag=True, help="The checks instead, as the page docs/checks.md.")
def list_(markdown: bool, checks: bool) -> None:
    """Show the scenarios: name, tags, rigs, and what each proves."""
    if checks:
        click.echo(check_page.render(), nl=False)
        return
    scenarios = [entry.scenario for entry in entries(files(scenario_folder()))]
    runs_on = Starter().runs_on
    if markdown:
        click.echo(index.render(scenarios, runs_on), nl=False)
        return
    for scenario in scenarios:
        click.echo(f"{scenario.name}  [{scenario.profile}; {', '.join(scenario.tags)}; {', '.join(runs_on(scenario))}]")
        click.echo(click.wrap_text(scenario.what, width=80, initial_indent="    ", subsequent_indent="    "))


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
def validate(paths: tuple[Path, ...]) -> None:
    """Read scenario files (or all in a folder; ours by default) and show every problem with its line."""
    wanted: list[Path] = []
    for path in paths or (scenario_folder(),):
        in_folder = files(path) if os.path.isdir(path) else None  # noqa: PTH112 - Path.is_dir raises where it may not look
        if in_folder == []:
            raise click.UsageError(f"{path} holds no scenario file (*.yaml, *.yml): nothing would be looked at")
        wanted += [path] if in_folder is None else in_folder
    found = entries(wanted)
    click.echo(f"{_counted(len(found), 'scenario')} in {_counted(len(wanted), 'file')}: no problem")


@cli.command()
def schema() -> None:
    """Show the JSON Schema of scenario files, which editors read (scenarios/schema.json)."""
    click.echo(render_schema(), nl=False)


@cli.command()
@click.pass_context
@click.argument("words", nargs=-1, metavar="[NAME|PATH|tag:TAG]...")
@click.option(
    "--rig", type=click.Choice(get_args(RigName)), default="embedded", show_default=True, help="What to run on."
)
@click.option("--bridge", metavar="COMMAND", help="The bridge under test; by default the rig's own: see README.")
@click.option("--profile", type=click.Choice(get_args(Profile)), help="Only these; smoke when no scenario is named.")
@click.option("--seed", type=click.IntRange(min=0), help="Of everything random; by default a new one, which is shown.")
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="How often to run each.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many side by side; by default three for each processor.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
              help="Where the records go.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep each run's working files beside its record.")
def run(  # noqa: PLR0917 - click passes by name; the command's options are these
    context: click.Context,
    words: tuple[str, ...],
    rig: RigName,
    bridge: str | None,
    profile: Profile | None,
    seed: int | None,
    repeat: int,
    jobs: int | None,
    out: Path,
    keep: bool,
) -> int:
    """Run scenarios (all of the smoke profile by default) and give their verdicts."""
    chosen = select(words, profile=profile, folder=scenario_folder())
    starter: Starter = context.obj or Starter()
    command = _command(bridge, starter, rig)
    seed = random.SystemRandom().randrange(_SEED_MAX) if seed is None else seed
    skipped = {entry.scenario.name: reason for entry in chosen if (reason := starter.why_not(entry.scenario, rig))}
    plans = _plans([entry for entry in chosen if entry.scenario.name not in skipped], rig, seed, repeat, out)
    console = _console()
    interrupt = threading.Event()

    carry_out = functools.partial(starter.carry_out, bridge_command=command, keep=keep)
    where = "" if rig == "embedded" else f" on the rig {rig}"
    click.echo(f"{_counted(len(plans), 'run')}{where}, seed {seed}, bridge: {shlex.join(command)}")
    with _signals_set(interrupt):
        with Progress(console, len(plans)) as watcher:
            jobs = jobs or batch.SIDE_BY_SIDE * len(os.sched_getaffinity(0))
            judgements = batch.run_all(plans, jobs=jobs, run_one=carry_out, interrupt=interrupt, watcher=watcher)
        judgements += [verdict.not_run(name, rig, reason) for name, reason in skipped.items()]
        _show(console, judgements)
        if plans:
            _summarise(judgements, out)
    if interrupt.is_set():
        click.echo("interrupted", err=True)
        return INTERRUPTED
    return batch.exit_code(judgements)


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False))
def judge(run_dir: Path) -> int:
    """Judge a saved record again (or all in a folder), from the folder alone."""
    judgements = [run.judgement for run in judged_again([run_dir], save=True)]
    _show(_console(), judgements)
    return batch.exit_code(judgements)


@cli.command()
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
                metavar="RUN_DIR...")  # fmt: skip
@click.option("--format", "form", type=click.Choice(list(REPORTS)), default="console", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file; by default the screen.")
def report(run_dirs: tuple[Path, ...], form: str, out: Path | None) -> int:
    """Draw the verdicts of saved records. Exits 0, whatever they are; 4 where a record cannot be read."""
    runs = judged_again(run_dirs, save=False)
    code = 0 if all(run.readable for run in runs) else HARNESS_ERROR
    if out is None:
        click.echo(REPORTS[form](runs), nl=False)
        return code
    try:
        write_report(form, runs, out)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written: {error.strerror}") from None
    click.echo(f"{out}")
    return code


@cli.command()
@click.argument("run_a", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("run_b", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def compare(run_a: Path, run_b: Path, as_json: bool) -> int:
    """Put the figures of two runs (or two folders of runs) side by side, with the noise where it is known.

    Exit codes: 0 nothing is worse beyond the noise; 1 something is; 3 there is nothing to compare.
    """
    rows = compare_folders(run_a, run_b)
    if as_json:
        click.echo(comparison.as_json(rows), nl=False)
    else:
        _wide(_console()).print(comparison.draw(rows))
    return int(comparison.worse(rows))


@cli.command()
@click.argument("names", nargs=-1, metavar="[MUTANT]...")
@click.option("--jobs", type=click.IntRange(min=1), help="How many side by side; by default three for each processor.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
              help="Where the records go.")  # fmt: skip
def mutants(names: tuple[str, ...], jobs: int | None, out: Path) -> int:
    """Prove the harness: every mutant must be caught, and the real bridge must pass."""
    # Only here, and by name: mutants import the bridge, which no other verb may need.
    proof = importlib.import_module("harness.mutants.proof")
    interrupt = threading.Event()
    with _signals_set(interrupt):
        return int(proof.run_proof(names, jobs=jobs, out=out, interrupt=interrupt, console=_console()))


@cli.command()
@click.pass_context
@click.option("--minutes", type=click.FloatRange(min=0.1, max=soak_run.MINUTES_MAX), default=5.0, show_default=True,
              callback=_numbered, help="About how long, a week at most.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Of the faults; by default a new one, which is shown.")
@click.option("--rig", type=click.Choice(get_args(RigName)), default="embedded", show_default=True)
@click.option("--bridge", metavar="COMMAND", help="The bridge under test; by default the rig's own: see README.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True,
              help="Where the records go.")  # fmt: skip
def soak(  # noqa: PLR0917 - click passes by name; the command's options are these
    context: click.Context, minutes: float, seed: int | None, rig: RigName, bridge: str | None, out: Path
) -> int:
    """Break things at random from one seed; where it fails, find the fewest faults that still do."""
    starter: Starter = context.obj or Starter()
    seed = random.SystemRandom().randrange(_SEED_MAX) if seed is None else seed
    order = soak_run.Order(seed, minutes, rig, tuple(_command(bridge, starter, rig)), out)
    run_one = functools.partial(starter.carry_out, bridge_command=order.bridge_command, keep=False)
    console, interrupt = _console(), threading.Event()
    with _signals_set(interrupt):
        with Progress(console, 1) as watcher:

            def carry_out(plan: Plan) -> Judgement | None:
                found = batch.run_all([plan], jobs=1, run_one=run_one, interrupt=interrupt, watcher=watcher)
                return found[0] if found else None

            try:
                judgement = soak_run.Soak(order, carry_out=carry_out, interrupt=interrupt, say=click.echo).run()
            except OSError as error:
                message = f"no schedule can be written to {out}: {error.strerror}; give another folder with --out"
                raise click.UsageError(message) from None
        _show(console, [] if judgement is None else [judgement])
    return INTERRUPTED if interrupt.is_set() else batch.exit_code([] if judgement is None else [judgement])


@cli.command(name="doctor")
@click.option("--rig", "rigs", type=click.Choice(list(RIGS)), multiple=True, help="Only this one; may be given often.")
def doctor_(rigs: tuple[RigName, ...]) -> int:
    """Show what this machine can run, what is missing, and how to get it. Exits 0 when all of it can, else 2."""
    found = doctor.examine(rigs)
    click.echo(doctor.draw(found), nl=False)
    return 2 if any(finding.missing for finding in found) else 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _console(width: int | None = None) -> Console:
    console = Console(width=width, highlight=False, emoji=False, markup=False)
    if console.width < 1:  # COLUMNS=0 says that nobody knows
        console.width = WIDTH
    return console


def _wide(console: Console) -> Console:
    """Return one on which no column of a table is left out: a narrow screen folds its lines itself."""
    return console if console.width >= WIDTH else _console(WIDTH)


def _command(bridge: str | None, starter: Starter, rig: RigName) -> list[str]:
    if bridge is None:
        return list(starter.bridge_command(rig))
    try:
        words = shlex.split(bridge)
    except ValueError as error:
        raise click.BadParameter(f"{bridge!r}: {error}", param_hint="--bridge") from None
    if not words:
        raise click.BadParameter("the command is empty", param_hint="--bridge")
    if objection := starter.objection(rig, words):
        raise click.BadParameter(objection, param_hint="--bridge")
    return words


def _plans(chosen: Sequence[Entry], rig: RigName, seed: int, repeat: int, out: Path) -> list[Plan]:
    moment = dt.datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    runs = [(entry.scenario, seed + turn) for turn in range(repeat) for entry in chosen]
    names = [f"{scenario.name.replace('/', '.')}-{rig}-{moment}" for scenario, _ in runs]
    folders = batch.run_dirs(out, names)
    return [Plan(scenario, rig, folder, seed) for (scenario, seed), folder in zip(runs, folders, strict=True)]


def _summarise(judgements: Sequence[Judgement], out: Path) -> None:
    """Leave the reports beside the records. A verdict is no worse for a disk that is full now."""
    click.echo(f"records: {out.resolve()}")
    try:
        write_summaries(judgements, out)
    except OSError as error:
        click.echo(f"no summary beside the records: {error}", err=True)
    else:
        page, *others = SUMMARIES
        click.echo(f"summary: {out.resolve() / page} (and {', '.join(others)})")


def _show(console: Console, judgements: Sequence[Judgement]) -> None:
    console.print(Text())
    _wide(console).print(draw(judgements))


@contextmanager
def _signals_set(interrupt: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into the interrupt, so that the runs heal, clear away and keep their records.

    However often they come: heals and summaries are made to their end.
    """
    before = {number: signal.signal(number, lambda *_: interrupt.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

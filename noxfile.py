"""Everything that is run here, by name. `nox -l` lists it; `nox` alone runs lint, types, tests and scenarios."""

from __future__ import annotations

import os
import pathlib

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "scenarios"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

SOURCES = ("bridge", "harness", "mock_ml_job", "benchmarks", "tests", "tools", "noxfile.py")

SIMULATION = {"SIMULATION_SECONDS": os.environ.get("SIMULATION_SECONDS", "60")}


def install(session: nox.Session, requirements: str) -> None:
    """Install the pinned requirements with their hashes, then this tree over them, editable."""
    session.install(
        "--require-hashes", "--quiet", "-r", "requirements/build.txt", "-r", f"requirements/{requirements}.txt"
    )
    session.install("--no-deps", "--no-build-isolation", "--quiet", "--editable", ".")


@nox.session
def scenarios(session: nox.Session) -> None:
    """Run the smoke scenarios on the embedded rig: Python is all they need. Arguments go to `python -m harness run`."""
    install(session, "harness")
    session.run("python", "-m", "harness", "run", *(session.posargs or ("--profile", "smoke", "--rig", "embedded")))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests. Arguments go to pytest."""
    install(session, "dev")
    session.run("python", "-m", "pytest", *session.posargs)


NOT_MEASURED = (
    "tests/bridge/test_main.py::test_the_signals_are_taken_before_the_slow_imports",
    "tests/bridge/test_main.py::test_the_running_bridge_has_nothing_in_memory_that_it_cannot_afford",
    "tests/bridge/test_mapping_file.py::test_without_a_mapping_file_none_is_read_or_parsed",
)
"""These look at what a process has imported, and whoever measures it is in there too."""


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure by branch what the tests of bridge and checks run, children included; fail below 95 %. 4 minutes."""
    install(session, "dev")
    checks = sorted(str(path) for path in pathlib.Path("tests/harness").glob("test_*check*.py"))
    left_out = [f"--deselect={test}" for test in NOT_MEASURED]
    tests_of = ("tests/bridge", "tests/harness/test_statistics.py", *checks)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-q", *tests_of, *left_out)
    session.run("coverage", "combine", "--quiet")
    for package in ("bridge", "harness/checks"):
        session.run("coverage", "report", f"--include={package}/*")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layout with ruff."""
    install(session, "dev")
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy, strict."""
    install(session, "dev")
    session.run("mypy")


@nox.session
def mutants(session: nox.Session) -> None:
    """Let the harness prove itself: every mutant caught by its scenario, the real bridge not."""
    install(session, "harness")
    session.run("python", "-m", "harness", "mutants", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate a year of deliveries, a day of ticks, and new schedules for a minute each. Arguments go to pytest."""
    install(session, "dev")
    session.run(
        "python", "-m", "pytest", "--log-cli-level=INFO", *(session.posargs or ("tests/simulation",)), env=SIMULATION
    )


@nox.session(venv_backend="none")
def tools(session: nox.Session) -> None:
    """Build the real Collector, Toxiproxy and Prometheus into .tools/bin with Go, at the pinned versions."""
    session.run("python", "tools/build.py", *session.posargs)


@nox.session
def local(session: nox.Session) -> None:
    """Run the smoke scenarios on the local rig, or what the arguments name; `nox -s tools` builds its programs."""
    install(session, "harness")
    session.run("python", "-m", "harness", "doctor", "--rig", "local")
    session.run("python", "-m", "harness", "run", "--rig", "local", *(session.posargs or ("--profile", "smoke")))


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel into dist/; use and test the wheel, without the sources, on each Python at hand."""
    session.install("--require-hashes", "--quiet", "-r", "requirements/build.txt", "-r", "requirements/package.txt")
    session.run("python", "tools/check_package.py", *(session.posargs or ("--tests",)))


@nox.session
def compose(session: nox.Session) -> None:
    """Build the images, test them on this machine's Docker, run scenarios on them. Arguments go to pytest alone."""
    install(session, "dev")
    session.run("python", "-m", "pytest", "--durations=10", *(session.posargs or ("tests/e2e",)))
    if not session.posargs:
        session.run("python", "-m", "harness", "doctor", "--rig", "compose")
        smoke = ("tag:containers", "--profile", "smoke", "--rig", "compose", "--jobs", "6")
        session.run("python", "-m", "harness", "run", *smoke)


IN_A_CLUSTER = (
    "steady",
    "real-training",
    "missing-file",
    "malformed-json",
    "collector-pods",
    "network/latency",
    "network/cut",
    "network/half-open",
    "shutdown/pod-deleted",
    "memory-limit/64-mib",
)
"""What is run on the kubernetes rig unless the arguments say otherwise: one or two of each kind."""


@nox.session
def kubernetes(session: nox.Session) -> None:
    """Test the manifests on the cluster that kubectl reaches, then run scenarios there. Arguments: scenarios to run."""
    install(session, "dev")
    session.run("python", "-m", "harness", "doctor", "--rig", "kubernetes")
    if not session.posargs:
        session.run("python", "-m", "pytest", "--durations=10", "--timeout=400", "tests/cluster")
    session.run(
        "python", "-m", "harness", "run", "--rig", "kubernetes", "--jobs", "4", *(session.posargs or IN_A_CLUSTER)
    )


def each_of(session: nox.Session, *modules: tuple[str, ...]) -> None:
    """Run each, also where one before it failed: one figure beyond its limit must not keep others from being taken."""
    failed = []
    for module in modules:
        try:
            session.run("python", "-m", *module)
        except nox.command.CommandFailed:
            failed.append(module[0])
    if failed:
        session.error(f"not all is well in {', '.join(failed)}: what each said stands above")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the bridge costs: against others, as its input grows, room by room, and against itself."""
    install(session, "bench")
    session.run("python", "tools/contestants.py", success_codes=[0, 1])  # without Go Telegraf is named as not run
    pathlib.Path("runs").mkdir(exist_ok=True)
    each_of(
        session,
        ("pytest", "-q", "benchmarks/micro.py", "--benchmark-json=runs/micro.json"),
        ("benchmarks.compare", "--prove", "10", "--out", "runs/compare.json"),
        ("benchmarks.growth",),
        ("benchmarks.contest", *session.posargs),
    )


@nox.session
def load(session: nox.Session) -> None:
    """Find out how many sidecars a Collector carries, with what `nox -s tools` builds. Arguments: `benchmarks.load`."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.load", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Make the release report of what `bench`, `load`, `soak` and `mutants` left in runs/; gating figures decide."""
    install(session, "bench")
    session.run("python", "-m", "benchmarks.report", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Break things at random for 30 minutes, or as the arguments to `python -m harness soak` say."""
    install(session, "harness")
    session.run("python", "-m", "harness", "soak", *(session.posargs or ("--minutes", "30")))


@nox.session
def trust(session: nox.Session) -> None:
    """Run the smoke profile ten times, five on each transport, and count the verdicts (`docs/trust.md`): 40 minutes."""
    install(session, "dev")
    many = ("python", "-m", "harness", "run", "--profile", "smoke", "--rig", "embedded", "--repeat", "5", "--out")
    session.run(*many, "runs/trust/http2", success_codes=[0, 1, 2, 4])
    grpcio = "env BRIDGE_TRANSPORT=grpcio python -m bridge"
    session.run(*many, "runs/trust/grpcio", "--bridge", grpcio, success_codes=[0, 1, 2, 4])
    session.run("python", "-m", "benchmarks.trust", "runs/trust/http2", "runs/trust/grpcio", *session.posargs)


@nox.session
def pins(session: nox.Session) -> None:
    """Resolve requirements/*.txt anew: all Pythons and platforms, with hashes, without an index address."""
    session.install("uv>=0.9")
    compile_pins = (
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-header",
    )
    # pip before 24 wants the extras of a pinned requirement said again where it is pinned.
    compile_pins += ("--no-strip-extras", "--no-annotate", "--no-emit-index-url", "--quiet", *session.posargs)
    target = "requirements/{}.txt".format
    session.run(*compile_pins, "pyproject.toml", "-o", target("bridge"))
    session.run(*compile_pins, "--extra", "harness", "-c", target("bridge"), "pyproject.toml", "-o", target("harness"))
    session.run(*compile_pins, "--extra", "dev", "-c", target("harness"), "pyproject.toml", "-o", target("dev"))
    session.run(*compile_pins, "--extra", "bench", "-c", target("dev"), "pyproject.toml", "-o", target("bench"))
    session.run(*compile_pins, "requirements/build.in", "-o", target("build"))
    session.run(*compile_pins, "requirements/package.in", "-o", target("package"))

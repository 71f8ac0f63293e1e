"""What is in the images, and what they need to run: little."""

from __future__ import annotations

import json
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.waiting import wait_until
from tests.e2e.engine import Ending, docker, inspect

ROOT = Path(__file__).parents[2]
BASE = "python:3.13-slim"
LAYERS_BYTES_MAX = 40_000_000
IMAGES = {
    "ml-metrics-bridge:dev": ("bridge",),
    "ml-metrics-bridge-job:dev": ("mock_ml_job",),
    "ml-metrics-bridge-train:dev": ("harness", "mock_ml_job"),
    "ml-metrics-bridge-sink:dev": ("harness", "mock_ml_job"),
}
BRIDGE = "ml-metrics-bridge:dev"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
LOOKED_AT_EACH_SECOND = ("--health-interval", "1s")
"""For tests that wait for a container that is healthy: the image's own interval is ten seconds."""
UNCOMPILED = """
import importlib, os, sys
importlib.import_module(sys.argv[1] + ".__main__")
missing = [module.__file__ for module in sys.modules.values()
           if getattr(module, "__cached__", None) and not os.path.exists(module.__cached__)]
print(*missing, sep="\\n", end="")
"""


@pytest.fixture(scope="module", autouse=True)
def images() -> None:
    docker("compose", "--file", str(ROOT / "docker-compose.yml"), "--profile", "*", "build", "--quiet")


@pytest.fixture
def run() -> Iterator[Callable[..., str]]:
    """Starts a container in the background and gives its id; all are removed in the end."""
    started: list[str] = []

    def start(*arguments: str) -> str:
        started.append(docker("run", "--detach", *arguments).strip())
        return started[-1]

    yield start
    for container in started:
        docker("rm", "--force", "--volumes", container)


def inside(image: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an image, bound as everywhere."""
    return subprocess.run(
        ["docker", "run", "--rm", *HARDENED, "--entrypoint", command[0], image, *command[1:]],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_bridges_layers_over_the_base_are_small(figure: Callable[[str], None]):
    base, bridge = inspect(BASE), inspect(BRIDGE)
    layers = base["RootFS"]["Layers"]
    assert bridge["RootFS"]["Layers"][: len(layers)] == layers, "it is not built on this base"
    over = bridge["Size"] - base["Size"]
    figure(f"image: {over / 1e6:.1f} MB over {BASE} ({base['Size'] / 1e6:.0f} MB)")
    assert 0 < over < LAYERS_BYTES_MAX


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_a_user_without_rights_and_says_what_it_is(image: str):
    config = inspect(image)["Config"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert config["User"] == "10001:10001"
    assert labels["version"] == version
    assert labels["licenses"] == "Apache-2.0"
    assert labels["title"] == image.partition(":")[0]
    assert labels["description"]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_no_pip(image: str):
    done = inside(image, "python3", "-c", "import pip")
    assert done.returncode == 1
    assert "No module named 'pip'" in done.stderr
    assert inside(image, "sh", "-c", "command -v pip pip3").stdout == ""


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_packages_that_it_is_for_and_no_others(image: str):
    names = ("bridge", "harness", "mock_ml_job", "pytest")
    script = f"import importlib.util as u; print(*[name for name in {names} if u.find_spec(name)])"
    assert tuple(inside(image, "python3", "-c", script).stdout.split()) == IMAGES[image]


@pytest.mark.parametrize(("image", "package"), [(BRIDGE, "bridge"), ("ml-metrics-bridge-job:dev", "mock_ml_job")])
def test_everything_that_an_image_loads_at_its_start_is_compiled(image: str, package: str):
    done = inside(image, "python3", "-c", UNCOMPILED, package)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_bridge_needs_no_file_of_its_own_to_be_writable(run: Callable[..., str]):
    container = run(
        *LOOKED_AT_EACH_SECOND,
        *("--network", "none", "--env", "COLLECTION_INTERVAL=0.1", "--env", "BRIDGE_SHUTDOWN_BUDGET=1", BRIDGE),
    )
    healthy(container)
    docker("stop", container)
    changed = docker("diff", container).split()
    assert not changed, f"it wrote: {changed}"


def test_as_pid_1_the_bridge_ends_at_a_signal_with_exit_code_0_and_its_last_line(run: Callable[..., str]):
    container = run(*HARDENED, *LOOKED_AT_EACH_SECOND, "--env", "BRIDGE_SHUTDOWN_BUDGET=1", BRIDGE)
    healthy(container)
    assert docker("top", container, "-o", "pid,args").splitlines()[1].endswith("python -m bridge")
    began = time.monotonic()
    docker("stop", "--time", "15", container)
    assert time.monotonic() - began < 10, "it was killed after its grace period"
    assert Ending.of(container).exit_code == 0
    said = subprocess.run(["docker", "logs", container], check=True, capture_output=True, text=True).stderr  # noqa: S607
    assert "stopped: 0 of 0 requests delivered" in said.splitlines()[-1], said


def test_the_health_check_is_no_second_python_and_sees_a_bridge_that_stands_still(run: Callable[..., str]):
    health = inspect(BRIDGE)["Config"]["Healthcheck"]
    assert health["Test"][:2] == ["CMD", "bash"]
    quick = ("--health-retries", "1", "--health-timeout", "3s", "--health-start-period", "10s")
    container = run(*HARDENED, *LOOKED_AT_EACH_SECOND, *quick, BRIDGE)
    healthy(container)
    docker("kill", "--signal", "STOP", container)
    wait_until(lambda: health_of(container) == "unhealthy", within=30, every=0.5, what="unhealthy")
    docker("kill", "--signal", "CONT", container)
    healthy(container)


@pytest.mark.parametrize(
    "environ",
    [
        {"BRIDGE_HEALTH_PORT": "0"},
        {"BRIDGE_HEALTH_PORT": "18080"},
        {"BRIDGE_HEALTH_HOST": "127.0.0.2"},
        {"BRIDGE_HEALTH_HOST": "0.0.0.0"},  # noqa: S104
        {"BRIDGE_HEALTH_HOST": "::"},
    ],
    ids=str,
)
def test_the_health_check_follows_the_bridges_settings(run: Callable[..., str], environ: dict[str, str]):
    quick = (*LOOKED_AT_EACH_SECOND, "--health-retries", "1", "--health-start-period", "0s")
    given = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
    healthy(run(*HARDENED, *quick, *given, BRIDGE))


def test_the_job_writes_and_ends_by_itself_with_exit_code_0(run: Callable[..., str]):
    environ = ("--env", "TOTAL_EPOCHS=1", "--env", "BATCHES_PER_EPOCH=3", "--env", "WRITE_INTERVAL=0.1")
    container = run(*HARDENED, "--volume", "/shared/metrics", *environ, "ml-metrics-bridge-job:dev")
    assert docker("wait", container).strip() == "0"


def test_the_training_job_trains_under_the_same_bounds(run: Callable[..., str]):
    environ = ("--env", "TOTAL_EPOCHS=1", "--env", "BATCHES_PER_EPOCH=8", "--env", "WRITE_INTERVAL=0.1")
    container = run(*HARDENED, "--volume", "/shared/metrics", *environ, "ml-metrics-bridge-train:dev")
    assert docker("wait", container).strip() == "0", docker("logs", container)


def test_the_sink_listens_and_ends_at_a_signal(run: Callable[..., str]):
    records = ("--tmpfs", "/records:uid=10001")
    container = run(
        *HARDENED, *records, "ml-metrics-bridge-sink:dev", "--out", "/records/exports.jsonl", "--port", "4317"
    )
    wait_until(lambda: ":10DD" in listening(container), within=30, every=0.5, what="port 4317 open in the sink")
    docker("stop", container)
    assert Ending.of(container).exit_code == 0


def listening(container: str) -> str:
    return docker("exec", container, "cat", "/proc/net/tcp", "/proc/net/tcp6", check=False)


def health_of(container: str) -> str:
    return json.loads(docker("inspect", "--format", "{{json .State.Health.Status}}", container))


def healthy(container: str) -> None:
    wait_until(lambda: health_of(container) == "healthy", within=60, every=0.5, what="healthy")

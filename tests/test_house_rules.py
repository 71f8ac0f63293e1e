"""Rules of the house that a reviewer should not have to remember."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bridge", "harness", "mock_ml_job")
MAY_IMPORT = {"bridge": set(), "mock_ml_job": set(), "harness": set(), "harness/mutants": {"bridge"}}
DOCUMENTS = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("scenarios/*.md")) if path.is_file()
)
FIRST_FOLDERS = (
    "bridge",
    "compose",
    "harness",
    "mock_ml_job",
    "scenarios",
    "tests",
    "docs",
    "requirements",
    "benchmarks",
    "k8s",
    "tools",
)


def imported_packages(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names that a file imports, relative imports left out, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


def allowed(path: Path) -> set[str]:
    relative = path.relative_to(ROOT).as_posix()
    package = relative.partition("/")[0]
    return {package} | max(
        ((room, names) for room, names in MAY_IMPORT.items() if relative.startswith(f"{room}/")),
        key=lambda entry: len(entry[0]),
    )[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_no_other_package_of_ours(package: str):
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, line in imported_packages(path)
        if name in PACKAGES and name not in allowed(path)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_main_modules_of_the_bridge_and_the_job_read_the_environment():
    wrong = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for package in ("bridge", "mock_ml_job")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__main__.py"
        for match in re.finditer(r"os\.(environ|getenv)", path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_that_a_document_names_exists(document: Path):
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{'|'.join(FIRST_FOLDERS)})/[\w./-]*)`", text))
    named |= set(re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text))
    named -= set(re.findall(r"Write this into `([^`]+)`", text))  # the reader makes it
    missing = sorted(path for path in named if not (ROOT / path).exists() and not (document.parent / path).exists())
    assert not missing, f"{document.name} names what is not there: {missing}"


VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_called_after_nothing(package: str):
    assert not [path for path in (ROOT / package).rglob("*.py") if path.stem in VAGUE]


def given_names(path: Path) -> Iterator[tuple[str, int]]:
    """What a file's own functions, classes, arguments, attributes and variables are called, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_in_a_file_is_called_after_nothing_either(package: str):
    wrong = [
        f"{path.relative_to(ROOT)}:{line} calls something {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, line in given_names(path)
        if VAGUE & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    ]
    assert not wrong, "\n".join(wrong)


def test_the_bridge_imports_nothing_that_its_memory_cannot_afford():
    """Figures for each of these stand in the decision on memory; together they cost more than the bridge itself."""
    script = "import sys, bridge.__main__; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout.split()
    )
    assert not loaded & {"asyncio", "grpc", "http.server", "pydantic", "psutil", "ssl", "rich", "click", "yaml"}


@pytest.mark.parametrize("package", ["bridge", "harness"])
def test_no_file_is_missing_in_the_index_of_architecture(package: str):
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    index = page.partition(f"### `{package}/`")[2].partition("\n### ")[0]
    rooms = [*(ROOT / package).glob("*.py"), *(ROOT / package / "transports").glob("*.py")]
    names = {path.relative_to(ROOT / package).as_posix() for path in rooms if path.name != "__init__.py"}
    assert set(re.findall(r"^- `([\w/]+\.py)`", index, re.MULTILINE)) == names

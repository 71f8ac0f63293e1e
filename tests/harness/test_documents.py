"""The how-to pages are followed word by word: their files are written, their commands run, their output compared."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.command_line import cli

ROOT = Path(__file__).parents[2]
TREE = ("bridge", "harness", "mock_ml_job", "scenarios", "tests")
BLOCK = re.compile(r"^```(?P<kind>yaml|python|console)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`([\w/-]+\.(?:yaml|py))`[^`]*\Z")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The repository's packages and scenarios, where a page may write."""
    for name in TREE:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)  # pytest's settings
    return tmp_path


def commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block with the lines that it must say."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *said = part.splitlines()
        yield command, said


def run(command: str, tree: Path, before: int) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(tree), "COLUMNS": "80"}
    script = f"(exit {before}); {command}"
    return subprocess.run(
        ["/bin/bash", "-c", script], cwd=tree, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def missing(expected: list[str], output: str) -> list[str]:
    """The lines that do not come, in this order; ``...`` stands for any lines."""
    lines = [line.rstrip() for line in output.splitlines()]
    lost = []
    for line in (line.rstrip() for line in expected if line.strip() != "..."):
        if line in lines:
            lines = lines[lines.index(line) + 1 :]
        else:
            lost.append(line)
    return lost


@pytest.mark.parametrize("page", ["adding-a-scenario.md", "adding-a-fault.md"])
def test_who_follows_the_page_word_by_word_gets_what_it_says(page: str, tree: Path):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    code = 0
    followed = 0
    for block in BLOCK.finditer(text):
        if block["kind"] != "console":
            name = NAMED_FILE.search(text[: block.start()])
            assert name, f"no file is named for the block: {block['body']}"
            (tree / name[1]).write_text(block["body"])
            continue
        for command, said in commands(block["body"]):
            done = run(command, tree, code)
            code = done.returncode
            output = done.stdout + done.stderr
            assert not missing(said, output), f"$ {command}\n{output}\ndoes not say {missing(said, output)}"
            followed += 1
    assert followed > 5


PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", ".github/workflows/*.yml") for path in ROOT.glob(pattern))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_the_harness_that_a_page_shows_has_its_verb_and_its_options(page: Path):
    for line in re.findall(r"python -m harness ([a-z][^`\n#|(>]*)", page.read_text(encoding="utf-8")):
        verb, *words = shlex.split(line)
        assert verb in cli.commands, f"there is no verb {verb}: {line}"
        known = {name for parameter in cli.commands[verb].params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_a_line_that_does_not_come_or_comes_out_of_order_is_found():
    assert missing(["a", "...", "c"], "a\nb\nc\n") == []
    assert missing(["c", "a"], "a\nb\nc\n") == ["a"]
    assert missing(["d"], "a\n") == ["d"]

"""The files of docs/beside-your-job.md, written as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "beside-your-job.md"
_BLOCK = re.compile(r"^```(?:yaml|python|dockerfile)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"`(my-training/[\w.]+)`")


def written(checkout: Path) -> Path:
    """Write the page's files into a checkout, which gets our manifests too, and return their folder."""
    text = PAGE.read_text(encoding="utf-8")
    shutil.copytree(ROOT / "k8s" / "base", checkout / "k8s" / "base")
    (checkout / "my-training").mkdir()
    for block in _BLOCK.finditer(text):
        names = _NAME.findall(text[: block.start()])
        assert names, f"no file is named for the block: {block['body']}"
        (checkout / names[-1]).write_text(block["body"], encoding="utf-8")
    return checkout / "my-training"

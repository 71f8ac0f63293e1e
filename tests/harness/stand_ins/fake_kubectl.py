"""Plays kubectl: answers from a JSON file, by the beginning of its command line, and notes what it was told.

``{"get nodes": {"say": "...", "code": 1, "seconds": 5, "err": "..."}}``; what is not listed is refused.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Answer."""
    words = [word for word in sys.argv[1:] if not word.startswith("--namespace=")]
    folder = Path(os.environ["FAKE_KUBECTL"])
    with (folder / "told.jsonl").open("a", encoding="utf-8") as told:
        told.write(json.dumps(sys.argv[1:]) + "\n")
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    line = " ".join(words)
    found = next((answer for begin, answer in answers.items() if line.startswith(begin)), None)
    if found is None:
        sys.stderr.write(f"error: nobody taught me {line}\n")
        return 1
    time.sleep(found.get("seconds", 0))
    sys.stdout.write(found.get("say", ""))
    sys.stderr.write(found.get("err", ""))
    return int(found.get("code", 0))


if __name__ == "__main__":
    sys.exit(main())

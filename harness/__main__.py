"""The harness's command: `python -m harness`, or ``bridge-harness``. The verbs stand in `command_line.py`."""

from __future__ import annotations

import sys

_CANNOT_WORK = 4


def main() -> int:
    """Run the command line. Returns or exits with the codes that `command_line.py` lists."""
    try:
        from harness import command_line  # noqa: PLC0415 - it needs the packages of the extra, which may be missing
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "harness"}:
            raise
        sys.stderr.write(
            f"bridge-harness needs the package {package!r}, which comes with the extra [harness]:\n"
            "    pip install 'ml-metrics-bridge[harness]'\n"
        )
        return _CANNOT_WORK
    command_line.cli()
    return 0


if __name__ == "__main__":
    sys.exit(main())

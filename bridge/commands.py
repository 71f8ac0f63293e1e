"""The commands beside run. Imported only when asked for, so that the sidecar does not pay for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="ml-metrics-bridge",
        description="Carries an ML training job's metrics file to an OpenTelemetry Collector. Settings come from the "
        "environment; docs/settings.md lists them.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run until SIGTERM or SIGINT (the default)")
    return top


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: ARG001 - for the commands to come
    """Run the command that the arguments name. argparse ends the process with 2 where they are wrong."""
    parser().parse_args(arguments)
    return 0

"""Removes what a killed harness left at the Docker engine: ``sweep.py CLIENT LABEL NETWORK``, run by the keeper.

The client that was making containers may outlive the harness by a moment, so it looks until nothing more comes.
"""

import subprocess
import sys
import time

LOOKS = 3
"""So often in a row there must be nothing."""
LOOK_SECONDS = 1.0
_WITHIN_SECONDS = 90.0
_COMMAND_SECONDS = 60.0


def main(client: str, label: str, network: str) -> None:
    """Remove all containers with the label, then the network."""
    deadline = time.monotonic() + _WITHIN_SECONDS
    quiet = 0
    while quiet < LOOKS and time.monotonic() < deadline:
        found = ask(client, "ps", "--all", "--quiet", "--filter", f"label={label}").split()
        if found:
            ask(client, "rm", "--force", "--volumes", *found)
        quiet = 0 if found else quiet + 1
        time.sleep(LOOK_SECONDS)
    ask(client, "network", "rm", network)


def ask(*command: str) -> str:
    """Give what the client says; empty where it says nothing in time."""
    try:
        done = subprocess.run(  # noqa: S603 - the client that the harness used
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


if __name__ == "__main__":
    main(*sys.argv[1:])

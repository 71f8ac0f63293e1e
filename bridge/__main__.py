"""The way in: takes the signals, reads the environment (nobody else does), and starts what was asked for.

What is imported at the top costs next to nothing, so that a signal is heard before the slow imports begin.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bridge import console
from bridge.stop import Stop

if TYPE_CHECKING:
    from bridge.settings import Settings

EXIT_OK, EXIT_SETTINGS = 0, 2


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (nothing to deliver, or not delivered) or 2 (settings or usage)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    console.hold_standard_descriptors()
    if arguments in ([], ["run"]):
        stop = Stop()
        stop.install()
        return run(environ, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to end in order yet: no traceback
    from bridge import commands  # noqa: PLC0415 - argparse costs 0.4 MiB, which the sidecar need not pay

    told = commands.parser().parse_args(arguments)
    settings = read_settings(environ)
    if settings is None:
        return EXIT_SETTINGS
    if told.command == "check":
        return commands.check(settings, as_json=told.json)
    stop = Stop()
    stop.install()
    return commands.once(settings, stop)


def run(environ: Mapping[str, str], stop: Stop) -> int:
    """Run until the end is asked for."""
    # What is imported stays. To look for garbage in it meanwhile is an eighth of the start; wiring.run switches it on.
    gc.disable()
    settings = read_settings(environ)
    if settings is None:
        return EXIT_SETTINGS
    from bridge import wiring  # noqa: PLC0415 - the slow ones

    wiring.run(settings, stop)
    return EXIT_OK


def read_settings(environ: Mapping[str, str]) -> Settings | None:
    """Read the settings and set up the log as they say; None where they are wrong, and then all problems are said."""
    from bridge import errors, logs, settings  # noqa: PLC0415 - see the module

    try:
        told = settings.Settings.from_mapping(environ)
    except errors.SettingsError as error:
        console.say("".join(f"{line}\n" for line in ("settings are wrong:", *map(str, error.problems))))
        return None
    logs.set_up(told.log_level, told.log_format, secrets=told.secrets)
    return told


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        console.say(
            f"the package {error.name!r} is not installed: pip install . in the bridge's own folder brings it\n"
        )
        sys.exit(EXIT_SETTINGS)

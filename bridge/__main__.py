"""The wiring: settings, objects, run. The only room that reads the environment.

What is imported at the top costs next to nothing: the signals are taken first, then the slow imports begin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.stop import Stop

if TYPE_CHECKING:
    from bridge.delivery import Stats
    from bridge.loop import Loop
    from bridge.sender import Sender
    from bridge.settings import Settings

EXIT_OK, EXIT_SETTINGS = 0, 2


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (nothing was delivered) or 2 (settings or arguments are wrong)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    environ = os.environ if environ is None else environ
    if arguments in ([], ["run"]):
        stop = Stop()
        stop.install()
        return run(environ, stop)
    from bridge import commands  # noqa: PLC0415 - argparse costs 0.4 MiB, which the sidecar need not pay

    return commands.main(arguments, environ)


def run(environ: Mapping[str, str], stop: Stop) -> int:
    """Run until the end is asked for: the loop in this thread, the sender in its own."""
    from bridge import errors, logs, settings  # noqa: PLC0415 - see the module

    try:
        told = settings.Settings.from_mapping(environ)
    except errors.SettingsError as error:
        sys.stderr.write("".join(f"{line}\n" for line in ("settings are wrong:", *map(str, error.problems))))
        return EXIT_SETTINGS
    logs.set_up(told.log_level, told.log_format)
    say_hello(told)
    loop, sender = build(told)
    sender.start()
    loop.run(stop)
    say_goodbye(sender.stop(told.shutdown_budget_seconds), told)
    return EXIT_OK


def build(told: Settings) -> tuple[Loop, Sender]:
    """Put the rooms together: what reads and what sends, joined by one function."""
    import logging  # noqa: PLC0415 - see the module
    import random  # noqa: PLC0415
    import time  # noqa: PLC0415

    from bridge import (  # noqa: PLC0415
        delivery,
        freshness,
        instruments,
        intake,
        logs,
        loop,
        metrics_file,
        sender,
        snapshot,
    )
    from bridge.transports import http2  # noqa: PLC0415

    repeats = logs.Repeats(time.monotonic)
    sends = sender.Sender(
        delivery.Delivery(
            delivery.Bounds(
                count=told.queue_count_max, bytes=told.queue_size_max_bytes, call_seconds=told.call_timeout_seconds
            ),
            random.Random(),  # noqa: S311 - jitter is no secret
        ),
        http2.Http2Transport(told.endpoint, f"ml-metrics-bridge/{__version__}", headers=told.headers, gzip=told.gzip),
        time.monotonic,
        logging.getLogger("bridge.sender"),
    )
    file = metrics_file.MetricsFile(
        told.metrics_file_path, told.file_size_max_bytes, monotonic=time.monotonic, time_ns=time.time_ns
    )
    reads = loop.Loop(
        interval_seconds=told.collection_interval_seconds,
        intake=intake.Intake(file, snapshot.parse, time.sleep),
        freshness=freshness.Freshness(
            interval_seconds=told.collection_interval_seconds,
            stale_after_seconds=told.stale_after_seconds,
            repeats=repeats,
        ),
        instruments=instruments.Instruments(told.resource(host_name=os.uname().nodename), time.time_ns()),
        hand_over=sends.put,
        clock=loop.Clock(time.monotonic, time.time_ns),
        repeats=repeats,
    )
    return reads, sends


def say_hello(told: Settings) -> None:
    """Say in the first line what is read and where it goes."""
    import logging  # noqa: PLC0415 - see the module

    log = logging.getLogger("bridge")
    log.info(
        "version %s reads %s every %g s and sends to %s",
        __version__,
        told.metrics_file_path,
        told.collection_interval_seconds,
        told.endpoint,
    )
    if not told.endpoint.by_scheme:
        log.info("the endpoint names no scheme: taken as plain text, as http:// would say")


def say_goodbye(stats: Stats, told: Settings) -> None:
    """Say in one last line what was delivered and what was lost."""
    import logging  # noqa: PLC0415 - see the module

    lost = ", ".join(f"{count} {reason}" for reason, count in stats.dropped.items() if count)
    logging.getLogger("bridge").log(
        logging.WARNING if lost else logging.INFO,
        "stopped: %d of %d requests delivered to %s, %d lost%s",
        stats.delivered,
        stats.put,
        told.endpoint,
        stats.lost,
        f" ({lost})" if lost else "",
    )


if __name__ == "__main__":
    sys.exit(main())

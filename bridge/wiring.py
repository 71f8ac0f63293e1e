"""Settings into objects, and objects into a run: every room is put beside its neighbours here and nowhere else."""

from __future__ import annotations

import gc
import logging
import os
import random
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from bridge import __version__, endpoint, snapshot
from bridge.delivery import Bounds, Delivery, Stats
from bridge.exit_rule import ExitRule
from bridge.freshness import Freshness
from bridge.instruments import Instruments
from bridge.intake import Intake
from bridge.logs import Repeats
from bridge.loop import Clock, Loop
from bridge.metrics_file import MetricsFile
from bridge.sender import Sender
from bridge.settings import Settings
from bridge.stop import Stop
from bridge.transports import Transport

if TYPE_CHECKING:
    from bridge.health import Health
    from bridge.self_metrics import SelfMetrics
    from bridge.spooling import Spooling

_log = logging.getLogger("bridge")


def run(settings: Settings, stop: Stop) -> None:
    """Run until the end is asked for: the loop in this thread, the sender in its own."""
    say_hello(settings)
    spooling = make_spooling(settings)
    sender = make_sender(settings, spooling)
    loop = make_loop(settings, sender)
    sender.start(
        make_bulletin(settings, loop, sender, spooling), quiet_seconds_max=settings.self_metrics_interval_seconds
    )
    health = open_health(settings, loop, sender)
    gc.freeze()  # nothing that is here by now is ever garbage: never look at it again
    gc.enable()
    loop.run(stop)
    if health is not None:
        health.ending = True
    say_goodbye(settings, sender.stop(settings.shutdown_budget_seconds))


def make_loop(settings: Settings, sender: Sender) -> Loop:
    """All that reads."""
    repeats = Repeats(time.monotonic)
    return Loop(
        interval_seconds=settings.collection_interval_seconds,
        intake=make_intake(settings),
        freshness=Freshness(
            interval_seconds=settings.collection_interval_seconds,
            stale_after_seconds=settings.stale_after_seconds,
            repeats=repeats,
        ),
        instruments=make_instruments(settings),
        hand_over=_drop if settings.sdk_disabled else sender.put,
        exit_rule=ExitRule(
            idle_seconds_max=settings.exit_after_idle_seconds,
            without_file_seconds_max=settings.exit_without_file_seconds,
            marker=settings.exit_marker_path,
        ),
        clock=Clock(time.monotonic, time.time_ns),
        repeats=repeats,
    )


def _drop(_encoded: bytes) -> None:
    """Send nothing."""


def make_intake(settings: Settings) -> Intake:
    """The way from the file to snapshots."""
    file = MetricsFile(
        settings.metrics_file_path, settings.file_size_max_bytes, monotonic=time.monotonic, time_ns=time.time_ns
    )
    return Intake(file, lambda reading: snapshot.parse(reading, settings.table), time.sleep)


def make_instruments(settings: Settings) -> Instruments:
    """The way from snapshots to requests."""
    return Instruments(settings.resource(host_name=os.uname().nodename), time.time_ns(), settings.table)


def make_sender(settings: Settings, spooling: Spooling | None = None) -> Sender:
    """The way from requests to the collector."""
    bounds = Bounds(
        count=settings.queue_count_max,
        bytes=settings.queue_size_max_bytes,
        call_seconds=settings.call_timeout_seconds,
    )
    transport = make_transport(settings)
    delivery = Delivery(bounds, random.Random())  # noqa: S311 - jitter is no secret
    return Sender(delivery, transport, time.monotonic, logging.getLogger("bridge.sender"), spooling=spooling)


def make_bulletin(
    settings: Settings, loop: Loop, sender: Sender, spooling: Spooling | None
) -> Callable[[], bytes | None] | None:
    """What the bridge says of itself; None: nothing."""
    if settings.sdk_disabled or not settings.self_metrics_interval_seconds:
        return None
    began_seconds, began_unix_nano = time.monotonic(), time.time_ns()

    @cache
    def own() -> SelfMetrics:
        from bridge.self_metrics import SelfMetrics  # noqa: PLC0415 - only now: the first delivery need not wait for it

        return SelfMetrics(
            resource=settings.resource(host_name=os.uname().nodename),
            loop=loop.stats,
            sender=sender.stats,
            spool=None if spooling is None else spooling.stats,
            clock=Clock(time.monotonic, time.time_ns),
            every_seconds=settings.self_metrics_interval_seconds,
            began_seconds=began_seconds,
            began_unix_nano=began_unix_nano,
        )

    return lambda: own().when_due()


def open_health(settings: Settings, loop: Loop, sender: Sender) -> Health | None:
    """Begin to answer probes, where a port is set. The process's end is theirs."""
    if not settings.health_port:
        return None
    from bridge.health import Health, HealthServer  # noqa: PLC0415 - whoever needs no probes need not pay for them

    health = Health(
        interval_seconds=settings.collection_interval_seconds,
        loop=loop.stats,
        sender=sender.stats,
        sender_is_alive=lambda: sender.is_alive,
        clock=time.monotonic,
    )
    try:
        HealthServer(health, settings.health_host, settings.health_port)
    except OSError as error:
        # Carrying metrics matters more than saying so; a probe that finds nobody says it too.
        _log.error(
            "nothing can listen on %s port %d (%s); the bridge goes on without its health endpoint "
            "(BRIDGE_HEALTH_HOST and BRIDGE_HEALTH_PORT say where it is)",
            settings.health_host,
            settings.health_port,
            error.strerror,
        )
        return None
    return health


def make_spooling(settings: Settings) -> Spooling | None:
    """What keeps the queue on disk while delivery fails; None: no folder is set."""
    if settings.spool_folder is None:
        return None
    from bridge.spool import Spool  # noqa: PLC0415 - whoever needs no spool need not pay for it
    from bridge.spool_folder import SpoolFolder  # noqa: PLC0415 - as above
    from bridge.spooling import PATIENCE_SECONDS_MAX, Spooling  # noqa: PLC0415 - as above

    return Spooling(
        Spool(SpoolFolder(settings.spool_folder), settings.spool_size_max_bytes),
        time.monotonic,
        logging.getLogger("bridge.spool"),
        patience_seconds=min(PATIENCE_SECONDS_MAX, settings.collection_interval_seconds / 2),
    )


def make_transport(settings: Settings) -> Transport:
    """The way to make a call. Only the one that is asked for is imported: grpcio costs 18 MiB."""
    user_agent = f"ml-metrics-bridge/{__version__}"
    if settings.transport == "grpcio":
        if settings.log_level != "DEBUG":
            os.putenv("GRPC_VERBOSITY", "NONE")  # it writes lines of its own to stderr, whatever our log looks like
        from bridge.transports.grpcio import GrpcioTransport  # noqa: PLC0415 - see above

        return GrpcioTransport(settings.endpoint, user_agent, headers=settings.headers, gzip=settings.gzip)
    from bridge.transports.http2 import Http2Transport  # noqa: PLC0415 - see above

    return Http2Transport(settings.endpoint, user_agent, headers=settings.headers, gzip=settings.gzip)


def say_hello(settings: Settings) -> None:
    """Say in the first line what is read and where it goes."""
    _log.info(
        "version %s reads %s every %g s and sends to %s",
        __version__,
        settings.metrics_file_path,
        settings.collection_interval_seconds,
        settings.endpoint,
    )
    guess = endpoint.guess(settings.endpoint)
    if guess is not None:
        _log.info("%s", guess)
    if settings.endpoint.tls is None and settings.tls_files != endpoint.Tls():
        _log.warning("certificates are set, but the connection is plain text: they are not used")
    if settings.sdk_disabled:
        _log.warning("OTEL_SDK_DISABLED is true: no metric will be sent")


def say_goodbye(settings: Settings, stats: Stats) -> None:
    """Say in the last line what was delivered, what was lost and what is kept."""
    lost = ", ".join(f"{count} {reason}" for reason, count in stats.dropped.items() if count)
    _log.log(
        logging.WARNING if lost else logging.INFO,
        "stopped: %d of %d requests delivered to %s, %d lost%s%s",
        stats.delivered,
        stats.put,
        settings.endpoint,
        stats.lost,
        f" ({lost})" if lost else "",
        f", {stats.spooled} spooled in {settings.spool_folder} for the next start" if stats.spooled else "",
    )

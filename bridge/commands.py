"""The commands beside run: once and check. Imported only when asked for: the sidecar does not pay for argparse."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from bridge import console, wiring
from bridge.errors import MetricsFileError, SnapshotError
from bridge.intake import News
from bridge.settings import Settings
from bridge.stop import Stop

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

NOT_WORTH_A_COMPLAINT = ("missing",)
"""A field that the job does not write at all is its own business; anything else left out makes check end with 1."""

_LOOK_SECONDS = 0.02


class _Parser(argparse.ArgumentParser):
    """Says what it has to say as everything else here is said: on streams that may be closed, full or gone."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message:
            (console.say if file is sys.stderr else console.tell)(message)


def parser() -> argparse.ArgumentParser:
    """The command line. argparse ends the process with 2 where the arguments are wrong."""
    top = _Parser(
        prog="ml-metrics-bridge",
        description="Carries an ML training job's metrics file to an OpenTelemetry Collector. "
        "Settings come from the environment; docs/settings.md lists them.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("run", help="run until SIGTERM or SIGINT (also without any argument)")
    commands.add_parser("once", help="read once, deliver once; exit code 1 where that failed")
    check = commands.add_parser("check", help="read settings and file, print what would be exported, send nothing")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    return top


def once(settings: Settings, stop: Stop) -> int:
    """Read once and deliver once, unless the end is asked for before; 0 only when it was delivered."""
    wiring.say_hello(settings)
    news = _read(settings)
    if news is None:
        return 1
    encoded = _encoded(settings, news)
    if encoded is None:
        console.say(
            "there is nothing to send: no field of the file became a metric (`check` says what is in it)\n"
            if not settings.sdk_disabled
            else "nothing is sent: OTEL_SDK_DISABLED is true\n"
        )
        return 1
    sender = wiring.make_sender(settings)
    sender.start()
    sender.put(encoded)
    ends_at = time.monotonic() + settings.shutdown_budget_seconds
    while sender.stats().queue_count and time.monotonic() < ends_at and not stop.wait(_LOOK_SECONDS):
        pass
    stats = sender.stop(0.0)
    wiring.say_goodbye(settings, stats)
    return 0 if stats.delivered else 1


def check(settings: Settings, *, as_json: bool) -> int:
    """Print what the file would become; 0 when it is a snapshot, every field in it is good, and that was printed."""
    news = _read(settings)
    if news is None:
        return 1
    told = _told(settings, news)
    printed = console.tell(json.dumps(told, indent=2) + "\n" if as_json else _table(told))
    return int(not printed or any(field.reason not in NOT_WORTH_A_COMPLAINT for field in news.snapshot.left_out))


def _encoded(settings: Settings, news: News) -> bytes | None:
    """What a bridge that has just begun would make of it."""
    instruments = wiring.make_instruments(settings)
    instruments.record(news.snapshot)
    return instruments.collect(time.time_ns(), gauges_live=not _is_stale(settings, news))


def _is_stale(settings: Settings, news: News) -> bool:
    return news.age_seconds > settings.stale_after_seconds


def _read(settings: Settings) -> News | None:
    try:
        return wiring.make_intake(settings).take()
    except MetricsFileError as error:
        console.say(f"no snapshot: {error} (METRICS_FILE_PATH says where it is looked for)\n")
    except SnapshotError as error:
        file = settings.metrics_file_path
        console.say(f"no snapshot: {file} is no metrics file: {error} (docs/metrics-file.md says what one is)\n")
    return None


def _told(settings: Settings, news: News) -> dict[str, Any]:
    snapshot = news.snapshot
    points = _points(_encoded(settings, news) or b"")
    return {
        "file": str(settings.metrics_file_path),
        "endpoint": str(settings.endpoint),
        "resource": settings.resource(host_name=os.uname().nodename),
        "attributes": dict(snapshot.attributes),
        "metrics": [
            {
                "name": rule.name,
                "kind": rule.kind,
                "unit": rule.unit,
                "value": points[rule.name],
                "in_file": snapshot.values[rule.name],
            }
            for rule in settings.table.metrics
            if rule.name in points
        ],
        "stale": _is_stale(settings, news),
        "left_out": [{"field": field.field, "reason": field.reason} for field in snapshot.left_out],
    }


def _points(encoded: bytes) -> dict[str, float]:
    """The value of each metric's point as it would be sent: of a histogram, which has one observation, its sum."""
    values = {}
    for of_resource in ExportMetricsServiceRequest.FromString(encoded).resource_metrics:
        for metric in (metric for scope in of_resource.scope_metrics for metric in scope.metrics):
            (point,) = getattr(metric, metric.WhichOneof("data")).data_points
            values[metric.name] = (
                point.sum if metric.HasField("histogram") else getattr(point, point.WhichOneof("value"))
            )
    return values


def _row(metric: dict[str, Any], wide: int) -> str:
    row = f"  {metric['name']:{wide}}  {metric['kind']:9}  {metric['value']:g} {metric['unit']}".rstrip()
    if metric["value"] == metric["in_file"]:
        return row
    return f"{row}  (the file's {metric['in_file']:g}; a total of what is seen, as docs/metrics.md says)"


def _table(told: dict[str, Any]) -> str:
    lines = [f"{told['file']} would be sent to {told['endpoint']} as"]
    lines += [f"  {name} = {value}" for name, value in (told["resource"] | told["attributes"]).items()]
    wide = max((len(metric["name"]) for metric in told["metrics"]), default=0)
    lines += [_row(metric, wide) for metric in told["metrics"]]
    if told["stale"]:
        lines.append("no gauges: the file has not changed for longer than BRIDGE_STALE_AFTER")
    if told["left_out"]:
        lines.append("left out:")
        lines += [f"  {field['field']}: {field['reason']}" for field in told["left_out"]]
    return "\n".join(lines) + "\n"

"""Telegraf as the sidecar: its file input, parsed as JSON by XPath, and its OpenTelemetry output.

It writes a configuration that honours the contract's five variables and becomes Telegraf: the same process, so that
nothing of Python is measured. ``--show`` prints the configuration instead.

Written in good faith: one metric for each field, gauges and counters by their kinds, the job's names as tags. A file's
single numbers cannot become histograms without the aggregator plugin, so the two of them are gauges here.
"""

from __future__ import annotations

import os
import shutil
import sys
from urllib.parse import urlsplit

from benchmarks.contestants.fields import COUNTERS, GAUGES, HISTOGRAMS
from harness.programs import folders

FLUSH_SECONDS_MAX = 1.0
"""Telegraf's own default is 10 s; one second, or the interval where it is shorter, costs latency no more."""

AGENT = """\
[agent]
  interval = "{interval}s"
  flush_interval = "{flush}s"
  round_interval = false
  omit_hostname = true
  quiet = {quiet}

[[outputs.opentelemetry]]
  service_address = "{address}"
  [outputs.opentelemetry.attributes]
    "service.name" = "{service}"

[[inputs.file]]
  files = ["{file}"]
  data_format = "xpath_json"
  xpath_native_types = true
"""
METRIC = """
  [[inputs.file.xpath]]
    metric_name = "'{name}'"
    [inputs.file.xpath.tags]
      "job.id" = "/job_metadata/job_id"
      "model.name" = "/job_metadata/model_name"
      "dataset" = "/job_metadata/dataset"
    [inputs.file.xpath.fields]
      {kind} = "number(/training_metrics/{field})"
"""


def configuration(environ: dict[str, str]) -> str:
    """Return Telegraf's configuration for the contract's five variables."""
    interval_seconds = float(environ.get("COLLECTION_INTERVAL", "10"))
    endpoint = urlsplit(environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    head = AGENT.format(
        interval=f"{interval_seconds:g}",
        flush=f"{min(interval_seconds, FLUSH_SECONDS_MAX):g}",
        quiet="false" if environ.get("LOG_LEVEL", "INFO") in {"DEBUG", "INFO"} else "true",
        address=endpoint.netloc,
        service=environ.get("OTEL_SERVICE_NAME", "telegraf"),
        file=environ.get("METRICS_FILE_PATH", "/shared/metrics/current.json"),
    )
    gauges = GAUGES | {field: name for field, (name, _) in HISTOGRAMS.items()}
    kinds = {**dict.fromkeys(gauges, "gauge"), **dict.fromkeys(COUNTERS, "counter")}
    names = gauges | COUNTERS
    return head + "".join(METRIC.format(name=names[field], kind=kind, field=field) for field, kind in kinds.items())


def main(arguments: list[str]) -> None:
    """Become Telegraf.

    Raises:
        SystemExit: it is nowhere.
    """
    text = configuration(dict(os.environ))
    if arguments == ["--show"]:
        sys.stdout.write(text)
        return
    program = shutil.which("telegraf", path=os.pathsep.join(map(str, folders())))
    if program is None:
        raise SystemExit("telegraf is not there: build it with `python tools/contestants.py telegraf`")
    held = os.memfd_create("telegraf.conf", 0)  # inherited, and gone with the process
    os.write(held, text.encode())
    os.execv(program, [program, "--config", f"/proc/self/fd/{held}"])  # noqa: S606 - to become it is what this is for


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whole ticks of the bridge's own loop at full speed, and what the process weighs meanwhile.

``python -m benchmarks.ticks ENDPOINT FILE [TICKS]``: a line of JSON for each hundredth part. Each tick reads the file,
which is written anew each time, records, encodes and hands over to the sender, which delivers meanwhile.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.full_queue import documents, status_mib
from bridge import logs, wiring
from bridge.settings import Settings

TICKS = 100_000
WAITING_MAX, LOOK_EVERY_TICKS = 16, 10
"""So much may wait until the loop lets the sender catch up: what is measured is ticks, and no backlog."""


def main(arguments: list[str]) -> int:
    """Tick, and say what it weighs."""
    settings = Settings.from_mapping({"OTEL_EXPORTER_OTLP_ENDPOINT": arguments[0], "METRICS_FILE_PATH": arguments[1]})
    count = int(arguments[2]) if len(arguments) > 2 else TICKS  # noqa: PLR2004 - the third one
    logs.set_up("ERROR")
    sender = wiring.make_sender(settings)
    loop = wiring.make_loop(settings, sender)
    sender.start(wiring.make_bulletin(settings, loop, sender, None))
    path = Path(arguments[1])
    began = time.process_time()
    for number, document in enumerate(documents(count), start=1):
        path.write_bytes(document)
        loop.tick()
        if number % LOOK_EVERY_TICKS == 0:
            while sender.stats().queue_count > WAITING_MAX:
                time.sleep(0.001)
        if number % (count // 100) == 0:
            line = {"ticks": number, "rss_mib": status_mib("VmRSS"), "cpu_seconds": time.process_time() - began}
            sys.stdout.write(json.dumps(line) + "\n")
    ended = sender.stop(30.0)
    told = {"put": ended.put, "delivered": ended.delivered, "reads": loop.reads, "broken_ticks": loop.broken_ticks}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if ended.delivered == ended.put else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whole ticks of the bridge's own loop at full speed, and what the process weighs meanwhile.

``python -m benchmarks.ticks ENDPOINT FILE [TICKS]``: a line of JSON for each hundredth part. Each tick reads the file,
which is written anew each time, records, encodes and hands over to the sender, which delivers meanwhile.

What it weighs is the least of ten looks in a part, each with nothing waiting. What it keeps is RSS at the part's end,
after the C library gave back what lay free in its heap: that moves RSS by some 600 KiB up and down, while what is kept
moves by 8. Python's memory blocks are counted too, as they show what is kept by the piece. CPU is that of the ticks, in
their own thread: what the sender spends depends on how it is woken.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path

from benchmarks.full_queue import documents, status_mib
from bridge import logs, wiring
from bridge.sender import Sender
from bridge.settings import Settings

TICKS = 150_000
WAITING_MAX, LOOK_EVERY_TICKS = 16, 10
"""So much may wait until the loop lets the sender catch up: what is measured is ticks, and no backlog."""
PARTS, LOOKS_EACH = 100, 10


def main(arguments: list[str]) -> int:
    """Tick, and say what it weighs."""
    settings = Settings.from_mapping({"OTEL_EXPORTER_OTLP_ENDPOINT": arguments[0], "METRICS_FILE_PATH": arguments[1]})
    count = int(arguments[2]) if len(arguments) > 2 else TICKS  # noqa: PLR2004 - the third one
    logs.set_up("ERROR")
    sender = wiring.make_sender(settings)
    loop = wiring.make_loop(settings, sender)
    sender.start(wiring.make_bulletin(settings, loop, sender, None))
    path = Path(arguments[1])
    part, look = max(1, count // PARTS), max(1, count // PARTS // LOOKS_EACH)
    weighs: list[float] = []
    blocks: list[int] = []
    spent = 0.0
    for number, document in enumerate(documents(count), start=1):
        path.write_bytes(document)
        began = time.thread_time()
        loop.tick()
        spent += time.thread_time() - began
        if number % LOOK_EVERY_TICKS == 0:
            let_it_catch_up(sender, WAITING_MAX)
        if number % look == 0:
            let_it_catch_up(sender, 0)
            weighs.append(status_mib("VmRSS"))
            blocks.append(sys.getallocatedblocks())
        if number % part == 0:
            line = {"ticks": number, "rss_mib": min(weighs), "kept_mib": kept_mib(), "blocks": min(blocks)}
            line["cpu_seconds"] = spent
            sys.stdout.write(json.dumps(line) + "\n")
            weighs.clear()
            blocks.clear()
    ended = sender.stop(30.0)
    told = {"put": ended.put, "delivered": ended.delivered, "reads": loop.reads, "broken_ticks": loop.broken_ticks}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if ended.delivered == ended.put else 1


def kept_mib() -> float:
    """Return RSS without what lies free in the C library's heap."""
    ctypes.CDLL(None).malloc_trim(0)
    return status_mib("VmRSS")


def let_it_catch_up(sender: Sender, waiting_max: int) -> None:
    """Wait until no more than so many requests wait."""
    while sender.stats().queue_count > waiting_max:
        time.sleep(0.001)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A bridge whose calls have no end: as long as the peer answers pings, it waits for what never comes."""

from __future__ import annotations

import os
import sys

from bridge.__main__ import main

if __name__ == "__main__":
    os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "600000"  # the defect
    sys.exit(main())

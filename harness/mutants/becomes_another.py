"""A bridge that calls itself by another service.instance.id at each start, so that a restart doubles every series."""

from __future__ import annotations

import os
import sys
import uuid

from bridge.__main__ import main

if __name__ == "__main__":
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = f"service.instance.id={uuid.uuid4()}"  # the defect
    sys.exit(main())

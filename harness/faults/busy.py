"""Never rests, on one processor, for so long and no longer: ``busy.py CPU SECONDS``. Run by path as a program.

It ends by itself, also when whoever started it is gone.
"""

import os
import sys
import time


def main(cpu: int, seconds: float) -> None:
    """Spin."""
    os.sched_setaffinity(0, {cpu})
    parent, end = os.getppid(), time.monotonic() + seconds
    while time.monotonic() < end and os.getppid() == parent:
        for _ in range(10_000):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
